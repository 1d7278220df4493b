/* SPDX-License-Identifier: Apache-2.0
 * codes - every code of a finding about a graph, and what `hde explain` says about it.
 *
 * A code keeps its meaning for ever; wording may change freely. */
#ifndef GRAPH_CODES_H
#define GRAPH_CODES_H

#include "base/code.h"

#include <stddef.h>

/* files and YAML */
#define G_UNREADABLE "HDE-G001"
#define G_TOO_LARGE "HDE-G002"
#define G_NOT_TEXT "HDE-G003"
#define G_TAB "HDE-G004"
#define G_SYNTAX "HDE-G005"
#define G_EMPTY "HDE-G006"
#define G_DUPLICATE_KEY "HDE-G007"
#define G_ALIAS "HDE-G008"
#define G_TAG "HDE-G009"
#define G_DOCUMENTS "HDE-G010"
#define G_DEPTH "HDE-G011"
#define G_SCALAR_LENGTH "HDE-G012"
#define G_KEY_KIND "HDE-G013"
/* the language */
#define G_UNKNOWN_KEY "HDE-G020"
#define G_KIND "HDE-G021"
#define G_MISSING_KEY "HDE-G022"
#define G_VERSION "HDE-G023"
#define G_UNSUPPORTED "HDE-G024"
#define G_NOT_A_GRAPH "HDE-G025"
#define G_NAME "HDE-G026"
#define G_WORD "HDE-G027"
#define G_NUMBER "HDE-G028"
#define G_NO_EFFECT "HDE-G029"
/* variables, secrets, --set */
#define G_VARIABLE "HDE-G030"
#define G_ENVIRONMENT "HDE-G031"
#define G_SECRET_FILE "HDE-G032"
#define G_REFERENCE "HDE-G033"
#define G_WITH "HDE-G034"
#define G_VARIABLE_LOOP "HDE-G035"
#define G_SET_TARGET "HDE-G036"
#define G_SET_FORM "HDE-G037"
#define G_PLAIN_SECRET "HDE-G038"
/* parameters */
#define G_PARAM "HDE-G040"
#define G_PARAM_MISSING "HDE-G041"
#define G_PARAM_TYPE "HDE-G042"
#define G_PARAM_RANGE "HDE-G043"
#define G_PARAM_UNIT "HDE-G044"
#define G_PARAM_CHOICE "HDE-G045"
#define G_BOOL_WORD "HDE-G046"
/* operators, nodes, includes */
#define G_OPERATOR "HDE-G050"
#define G_PLUGIN "HDE-G051"
#define G_DUPLICATE_NAME "HDE-G052"
#define G_UNUSED "HDE-G053"
#define G_NO_NODES "HDE-G054"
#define G_INCLUDE_LOOP "HDE-G060"
#define G_TOO_MANY "HDE-G061"
/* edges */
#define G_PATH "HDE-G070"
#define G_NODE "HDE-G071"
#define G_PORT "HDE-G072"
#define G_PORT_CHOICE "HDE-G073"
#define G_NO_PORT "HDE-G074"
#define G_TYPES "HDE-G075"
#define G_DUPLICATE_EDGE "HDE-G076"
#define G_CYCLE "HDE-G077"
#define G_UNCONNECTED "HDE-G078"
#define G_KEY_FIELD "HDE-G079"
#define G_REPLICAS_KEY "HDE-G080"
#define G_REPLICAS_OPERATOR "HDE-G081"
/* links and parts */
#define G_LINK_ROUND "HDE-G240"
#define G_LINK_DURABLE "HDE-G241"
#define G_LINK_SETTINGS "HDE-G242"
/* hosts */
#define G_HOST_ADDRESS "HDE-G330"
#define G_HOST "HDE-G331"
#define G_NO_HOSTS "HDE-G332"
#define G_HOST_MISSING "HDE-G333"
#define G_HOST_TWICE "HDE-G334"
#define G_HOST_OPEN "HDE-G335"
#define G_HOST_KEYS "HDE-G336"
#define G_HOST_KEY "HDE-G337"
#define G_HOST_LIST "HDE-G338"
#define G_SPREAD_FEW "HDE-G390"
#define G_SPREAD_TWICE "HDE-G391"
#define G_MOVE "HDE-G375"
/* topics */
#define G_VIA "HDE-G290"
#define G_VIA_PLUGIN "HDE-G291"
#define G_VIA_SETTINGS "HDE-G292"
#define G_NO_TYPE "HDE-G360"
#define G_TYPE_PORT "HDE-G361"
#define G_TYPE_ISOLATED "HDE-G362"
/* shared stages */
#define G_SHARED_NODE "HDE-G310"
#define G_SHARED_STATE "HDE-G311"
/* the ingress log */
#define G_LOG_CLASH "HDE-G260"
#define G_ANSWERS "HDE-G325"
/* promises */
#define G_DELIVERY "HDE-G220"

const struct code *codes_find(const char *code); /* "HDE-G012", "G012", "g12"; NULL if unknown */
size_t codes_count(void);
const struct code *codes_at(size_t i); /* in order */

#endif
