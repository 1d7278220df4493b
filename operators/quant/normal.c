/* SPDX-License-Identifier: Apache-2.0 */
#include "quant/normal.h"

#include <math.h>

/* Coefficients of y^k, made with 50 digits; see normal.h. */
enum { TERMS = 28 };
static const double ratio[TERMS] = {
    0x1.22cc6718a4eb9p+0,  -0x1.417c1145b0bc4p-3,  -0x1.beabc39310303p-6,  0x1.b8e3ed961c1cbp-4,
    -0x1.89f56e97007a2p-4, 0x1.932e5806c2ba1p-5,   -0x1.a338238d82a46p-7,  -0x1.0fa28567974a5p-10,
    0x1.e13701c1c7791p-10, -0x1.c0812bb14135ep-13, -0x1.ebf1f5b0bce5dp-13, 0x1.ab58bbd3a5907p-15,
    0x1.30a4ade89ccb1p-15, -0x1.12ace7a17340ep-17, -0x1.ce0b4a4acb850p-18, 0x1.e6bc12140337cp-21,
    0x1.81ff2021244d7p-20, 0x1.42162099ef794p-25,  -0x1.390a99eadc172p-22, -0x1.163f33323b3ebp-24,
    0x1.b2810cc9607dbp-25, 0x1.92cc518afe622p-26,  -0x1.b630d0139d7cap-28, -0x1.5489e51146d34p-28,
    0x1.ceea65ec58912p-32, 0x1.16976fe7f0cafp-31,
};

double
normal_pdf(double z)
{
    return NORMAL_1_SQRT_2PI * exp(-0.5 * z * z);
}

double
normal_cdf(double z)
{
    return 0.5 * erfc(-z * NORMAL_1_SQRT_2);
}

static double
lower_ratio(double w)
{
    double y = (w - 4) / (w + 4), y2 = y * y, y4 = y2 * y2, a = 0, b = 0, c = 0, d = 0;

    /* Four interleaved Horner chains: a shorter wait for the multiplier than one long one. */
    for (int k = TERMS - 4; k >= 0; k -= 4) {
        a = a * y4 + ratio[k];
        b = b * y4 + ratio[k + 1];
        c = c * y4 + ratio[k + 2];
        d = d * y4 + ratio[k + 3];
    }
    return ((a + y * b) + y2 * (c + y * d)) / (w + 0.8);
}

double
normal_ratio(double z)
{
    if (z <= 0)
        return lower_ratio(-z);
    return NORMAL_SQRT_2PI * exp(0.5 * z * z) - lower_ratio(z);
}

double
normal_quantile_rough(double p)
{
    double tail = p < 0.5 ? p : 1 - p;
    double t = sqrt(-2 * log(tail));
    double z = t - (2.515517 + t * (0.802853 + t * 0.010328)) /
                       (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));

    return p < 0.5 ? -z : z;
}
