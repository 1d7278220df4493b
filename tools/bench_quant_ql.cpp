// SPDX-License-Identifier: Apache-2.0
// QuantLib's side of `hde bench quant`.
#include "bench_quant.h"

#include <cmath>

#include <ql/pricingengines/blackcalculator.hpp>
#include <ql/pricingengines/blackformula.hpp>
#include <ql/version.hpp>

using QuantLib::Option;

static Option::Type
type_of(const bench_options *o, size_t i)
{
    return o->is_call[i] ? Option::Call : Option::Put;
}

const char *const bench_ql_version = QL_VERSION;

extern "C" double
bench_ql_price(const bench_options *o)
{
    double sum = 0;

    for (size_t i = 0; i < o->n; i++) {
        QuantLib::BlackCalculator c(type_of(o, i), o->strike[i], o->forward,
                                    o->vol[i] * std::sqrt(o->t[i]), std::exp(-o->rate * o->t[i]));

        sum += c.value() + c.delta(o->forward) + c.gamma(o->forward) + c.vega(o->t[i]) +
               c.theta(o->forward, o->t[i]) + c.rho(o->t[i]);
    }
    return sum;
}

extern "C" double
bench_ql_iv(const bench_options *o)
{
    double sum = 0;

    for (size_t i = 0; i < o->n; i++)
        sum += QuantLib::blackFormulaImpliedStdDev(type_of(o, i), o->strike[i], o->forward,
                                                   o->price[i], std::exp(-o->rate * o->t[i]), 0.0,
                                                   QuantLib::Null<QuantLib::Real>(), 1e-10) /
               std::sqrt(o->t[i]);
    return sum;
}
