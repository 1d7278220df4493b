/* SPDX-License-Identifier: Apache-2.0
 * iv_block - some options by column, as the implied volatility kernels take them (kernel.h). */
#ifndef QUANT_IV_BLOCK_H
#define QUANT_IV_BLOCK_H

#define IV_BLOCK 64

/* The lanes of the widest vectors: a block is filled up to a multiple of it. */
#define IV_LANES 8

/* A conditioning above this leaves too little; see IV_ILL_CONDITIONED. */
#define ILL_CONDITIONED 0.01

/* Twice the digits of a double (dd.h), by column. */
struct iv_pairs {
    double hi[IV_BLOCK], lo[IV_BLOCK];
};

struct iv_block {
    /* in; a lane without a usable option has the price NaN */
    double th[IV_BLOCK]; /* 1 call, -1 put */
    double underlying[IV_BLOCK], strike[IV_BLOCK], price[IV_BLOCK];
    /* in for .iv_expiries; yield is rate for Black-76 */
    double t[IV_BLOCK], rate[IV_BLOCK], yield[IV_BLOCK];
    /* out of .iv_expiries, in for .iv: exp(-qT), exp(-rT), (r-q)T and exp((r-q)T) - 1 */
    struct iv_pairs asset_df, cash_df, carry, gain;
    double root_t[IV_BLOCK];
    /* out of .iv */
    double vol[IV_BLOCK], conditioning[IV_BLOCK], status[IV_BLOCK];
};

#endif
