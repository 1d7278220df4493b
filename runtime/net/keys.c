/* SPDX-License-Identifier: Apache-2.0
 * keys - the keys of CURVE. */
#include "base/err.h"
#include "net/net.h"

#include <string.h>
#include <zmq.h>

bool
net_keys(char public_key[NET_KEY], char secret_key[NET_KEY], struct err *err)
{
    return zmq_curve_keypair(public_key, secret_key) == 0 ||
           err_set(err, "HDE-N002", "this ZeroMQ was built without CURVE");
}

bool
net_public_key(const char *secret_key, char public_key[NET_KEY], struct err *err)
{
    return (strlen(secret_key) == NET_KEY - 1 && zmq_curve_public(public_key, secret_key) == 0) ||
           err_set(err, "HDE-N002",
                   "that is no secret key (40 characters, see 'hde keygen'), or this "
                   "ZeroMQ was built without CURVE");
}
