/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/codes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct code codes[] = {
    {G_UNREADABLE, "a file cannot be read",
     "The graph file, or a chain that it includes, does not exist or may not be read. The path of "
     "a chain counts from the folder of the file that includes it.",
     "include: {market: {chain: chians/market.yaml}}",
     "include: {market: {chain: chains/market.yaml}}"},
    {G_TOO_LARGE, "a file is too large",
     "Graph files may have 4 MiB. Data belongs into files that operators read.", NULL, NULL},
    {G_NOT_TEXT, "a file is not plain UTF-8 text",
     "Files are UTF-8. Control characters, other line ends than LF and CR LF, and characters that "
     "make a line look other than it is are refused outside of escapes.",
     "label: <byte 0xE9>", "label: \"\\u00E9\""},
    {G_TAB, "a tab is used as indentation",
     "YAML indents with spaces only; a tab may look like any number of them.",
     "nodes:\n<tab>a: {op: test/a}", "nodes:\n  a: {op: test/a}"},
    {G_SYNTAX, "the text is not YAML",
     "The place is where reading stopped; the fault is there or just before it. Values that begin "
     "with [ or { but are texts, such as paths with brackets, need quotes.",
     "edges:\n  - [a, b] -> c", "edges:\n  - \"[a, b] -> c\""},
    {G_EMPTY, "a file is empty", "There is nothing in the file, or comments only.", NULL,
     "hde: 1\ngraph: demo\nnodes: {a: {op: folder/name}}"},
    {G_DUPLICATE_KEY, "a key is there twice",
     "Both in one mapping: one of them would be lost without a word.",
     "nodes:\n  a: {op: test/a}\n  a: {op: test/b}",
     "nodes:\n  a: {op: test/a}\n  b: {op: test/b}"},
    {G_ALIAS, "anchors, aliases and merge keys are not part of the language",
     "They hide where a value comes from and can make a small file huge. vars: does the same work "
     "in the open.",
     "a: &x {op: test/a}\nb: *x",
     "vars: {rate: 0.065}\nnodes: {a: {op: test/a, params: {rate: "
     "\"${vars.rate}\"}}}"},
    {G_TAG, "tags are not part of the language",
     "What type a value has is decided by the place where it stands.", "count: !!int \"5\"",
     "count: 5"},
    {G_DOCUMENTS, "a file has several documents", "One file is one graph or one chain.",
     "hde: 1\ngraph: a\n---\nhde: 1\ngraph: b", "hde: 1\ngraph: a"},
    {G_DEPTH, "values are nested too deeply", "64 levels are the limit.", NULL, NULL},
    {G_SCALAR_LENGTH, "a text is too long",
     "1 MiB is the limit of one value, also after its variables were filled in.", NULL, NULL},
    {G_KEY_KIND, "a key is not a text", "Keys are names: plain texts, no lists and mappings.",
     "[a, b]: 1", "ab: 1"},
    {G_UNKNOWN_KEY, "a key is not known here",
     "Every key is checked, so that a slip cannot be ignored in silence. The hint lists the keys "
     "that this place has.",
     "nodes: {a: {op: test/a, parms: {n: 1}}}", "nodes: {a: {op: test/a, params: {n: 1}}}"},
    {G_KIND, "a value is of another kind",
     "The place needs a text, a list, a mapping, a number or a truth value, and something else "
     "stands there.",
     "nodes: [a, b]", "nodes: {a: {op: test/a}, b: {op: test/b}}"},
    {G_MISSING_KEY, "a key is missing",
     "A node needs op, an include needs chain, an edge with settings needs path, and an on_error "
     "mapping needs do.",
     "nodes: {a: {params: {n: 1}}}", "nodes: {a: {op: test/a, params: {n: 1}}}"},
    {G_VERSION, "the version of the graph language is missing or unknown",
     "Every file says which version of the language it is written in. This program knows 1.",
     "graph: demo", "hde: 1\ngraph: demo"},
    {G_UNSUPPORTED, "this is not supported by this version",
     "The word is part of the graph language but not of this program. It is refused rather than "
     "ignored, because the graph would not do what it says.",
     "edges:\n  - {path: a -> b, transport: tcp}", "edges:\n  - a -> b"},
    {G_NOT_A_GRAPH, "a graph is needed, or a chain",
     "A file has either 'graph: NAME' or 'chain: NAME'. Graphs run; chains are included by graphs "
     "and chains.",
     "hde: 1\nnodes: {a: {op: test/a}}", "hde: 1\ngraph: demo\nnodes: {a: {op: test/a}}"},
    {G_NAME, "a name cannot be used",
     "Names become parts of edges, labels of metrics and words of the command line: a letter or "
     "'_', then letters, digits, '_' and '-', at most 64. 'vars' is taken.",
     "nodes: {my node: {op: test/a}}", "nodes: {my_node: {op: test/a}}"},
    {G_WORD, "a word is not one of the choices", "The hint lists the words that are known here.",
     "edges:\n  - {path: a -> b, full: newest}", "edges:\n  - {path: a -> b, full: latest}"},
    {G_NUMBER, "a number of the language is out of range",
     "workers, worker, replicas, capacity and the times of on_error have limits; the hint names "
     "them.",
     "workers: 0", "workers: 2"},
    {G_NO_EFFECT, "a key has no effect here",
     "'key' of an edge says what 'full: latest' keeps apart; 'key' of a node says how its replicas "
     "share the work. Alone it does nothing.",
     "edges:\n  - {path: a -> b, key: feed}",
     "edges:\n  - {path: a -> b, full: latest, key: feed}"},
    {G_VARIABLE, "a variable is not defined",
     "${vars.NAME} means an entry of vars: in the same file. A chain sees its own variables only; "
     "the file that includes it sets them with 'with:'.",
     "vars: {rate: 0.065}\nnodes: {a: {op: test/a, params: {rate: \"${vars.rte}\"}}}",
     "vars: {rate: 0.065}\nnodes: {a: {op: test/a, params: {rate: \"${vars.rate}\"}}}"},
    {G_ENVIRONMENT, "an environment variable is not set",
     "${NAME} means the environment; ${NAME:-default} has a value for when it is unset or empty. A "
     "warning for check, an error for run.",
     "rate: \"${RATE}\"", "rate: \"${RATE:-0.065}\""},
    {G_SECRET_FILE, "a secret file cannot be read",
     "${file:PATH} is the text of a file, at most 64 KiB, without the blanks around it. The path "
     "counts from the folder of the graph file. A warning for check, an error for run.",
     "token: \"${file:no-such-file}\"", "token: \"${file:dhan.token}\""},
    {G_REFERENCE, "a reference cannot be read",
     "References are ${vars.NAME}, ${NAME}, ${NAME:-default} and ${file:PATH}. A list or a mapping "
     "can be a value as a whole but not part of a text. A plain \"${\" is written \"$${\".",
     "label: \"${vars.}\"", "label: \"${vars.name}\""},
    {G_WITH, "a chain has no such variable",
     "'with:' sets variables that stand under vars: of the chain, and nothing else.",
     "include: {p: {chain: p.yaml, with: {no_such: 1}}}",
     "include: {p: {chain: p.yaml, with: {rate: 0.065}}}"},
    {G_VARIABLE_LOOP, "a variable needs itself",
     "Variables may use others, as long as no circle comes of it and no more than 32 are nested.",
     "vars: {a: \"${vars.b}\", b: \"${vars.a}\"}", "vars: {a: 1, b: \"${vars.a}\"}"},
    {G_SET_TARGET, "--set names something that is not there",
     "The left side is a node (its full name, or the last part of it when that is unique) and one "
     "of its operator's parameters, or vars and a variable of the graph file.",
     "hde run graph.yaml --set sorce.path=x.csv", "hde run graph.yaml --set source.path=x.csv"},
    {G_SET_FORM, "--set cannot be read", "The form is NODE.PARAMETER=VALUE or vars.NAME=VALUE.",
     "hde run graph.yaml --set path=x.csv", "hde run graph.yaml --set source.path=x.csv"},
    {G_PLAIN_SECRET, "a secret stands in the file",
     "Everybody who can read the graph file can read it, and so does version control. Put it into "
     "a file of its own. This is a warning.",
     "params: {token: abc123}", "params: {token: \"${file:dhan.token}\"}"},
    {G_PARAM, "an operator has no such parameter",
     "'hde describe OPERATOR' prints the parameters with types, units, defaults and ranges.",
     "params: {windw: 5m}", "params: {window: 5m}"},
    {G_PARAM_MISSING, "a required parameter is missing",
     "The parameter has no default; the operator cannot guess it.",
     "source: {op: ingestion/chain_csv}",
     "source: {op: ingestion/chain_csv, params: {path: chains.csv}}"},
    {G_PARAM_TYPE, "a parameter is of another type",
     "Numbers are written plainly: no hexadecimal, no digit groups, no NaN.", "count: many",
     "count: 5"},
    {G_PARAM_RANGE, "a parameter is out of range",
     "The operator's table gives the least and the largest value; the hint shows them.",
     "depth: -1", "depth: 10"},
    {G_PARAM_UNIT, "a unit is missing or wrong",
     "Durations and sizes are written with their unit (5s, 250ms, 1h30m; 64KiB, 2MiB), ratios as "
     "0.4 or 40%, counts without any. A number that could mean two things is not guessed.",
     "window: 5", "window: 5s"},
    {G_PARAM_CHOICE, "a parameter is not one of the choices", "The hint lists them.",
     "mode: middle", "mode: mid"},
    {G_BOOL_WORD, "a truth value is written in another way",
     "Only true and false are truth values: in some YAML versions yes, no, on and off are, in "
     "others they are texts.",
     "boundary: yes", "boundary: true"},
    {G_OPERATOR, "there is no such operator",
     "No plugin on the plugin path exports it. 'hde describe' lists what is there; HDE_PLUGIN_PATH "
     "and --plugins say where plugins are looked for.",
     "op: processing/claen", "op: processing/clean"},
    {G_PLUGIN, "the plugin of an operator was refused",
     "The file is there but cannot be used; the text says why. 'hde describe FILE' tells more.",
     NULL, NULL},
    {G_DUPLICATE_NAME, "a name is given twice",
     "Nodes and included chains of one file share one set of names.",
     "include: {a: {chain: a.yaml}}\nnodes: {a: {op: test/a}}",
     "include: {a: {chain: a.yaml}}\nnodes: {b: {op: test/a}}"},
    {G_UNUSED, "a node works for nothing",
     "Nothing reads what it makes, or nothing leads to it. This is a warning.",
     "nodes: {a: {op: test/source}}",
     "nodes: {a: {op: test/source}, b: {op: test/sink}}\n"
     "edges: [a -> b]"},
    {G_NO_NODES, "there are no nodes", "A graph or chain has at least one node or include.",
     "hde: 1\ngraph: demo", "hde: 1\ngraph: demo\nnodes: {a: {op: folder/name}}"},
    {G_INCLUDE_LOOP, "files include each other",
     "The text shows the files in the order in which they include each other.",
     "# a.yaml\ninclude: {b: {chain: b.yaml}}\n# b.yaml\ninclude: {a: {chain: a.yaml}}", NULL},
    {G_TOO_MANY, "the graph is too large",
     "10,000 nodes, 100,000 edges and 16 levels of includes are the limits.", NULL, NULL},
    {G_PATH, "the path of an edge cannot be read",
     "A path is names joined by arrows. A name may say its port after a dot, and brackets stand "
     "for several at once. From outside a chain shows its inputs and outputs only.",
     "edges: [a => b]", "edges: [a -> b]"},
    {G_NODE, "an edge names a node that is not there",
     "Edges see the nodes and the included chains of their own file.", "edges: [clen -> sink]",
     "edges: [clean -> sink]"},
    {G_PORT, "there is no such port",
     "In front of an arrow stands an output, behind it an input. The hint lists the ports with "
     "the messages that they carry.",
     "edges: [a.uot -> b]", "edges: [a.out -> b]"},
    {G_PORT_CHOICE, "a port has to be named",
     "A port can be left out only where the node has one in that direction.", "edges: [a -> join]",
     "edges: [a -> join.left]"},
    {G_NO_PORT, "a node has no port in that direction",
     "Sinks have no outputs, sources have no inputs.", "edges: [sink -> a]", "edges: [a -> sink]"},
    {G_TYPES, "the messages at both ends of an edge differ",
     "An output has one type of message, an input lists those that it takes.",
     "edges: [raw_chains -> wants_enriched]", "edges: [raw_chains -> enrich -> wants_enriched]"},
    {G_DUPLICATE_EDGE, "an edge is there twice",
     "Every message would arrive twice. The hint says where the first one is.",
     "edges: [a -> b, a -> b]", "edges: [a -> b]"},
    {G_CYCLE, "edges lead round in a circle",
     "A graph has no cycles: each message passes a node once. The text shows the way round.",
     "edges: [a -> b -> a]", "edges: [a -> b]"},
    {G_UNCONNECTED, "an input is not connected",
     "The operator cannot work without it. For an included chain the input is that of the chain.",
     "nodes: {sink: {op: test/sink}}",
     "nodes: {a: {op: test/source}, sink: {op: test/sink}}\nedges: [a -> sink]"},
    {G_KEY_FIELD, "a key is not a field of the messages",
     "A key is a field of its own (not of a sub-message, not a list) of every type of message that "
     "passes there.",
     "edges:\n  - {path: a -> b, full: latest, key: simbol}",
     "edges:\n  - {path: a -> b, full: latest, key: symbol}"},
    {G_REPLICAS_KEY, "replicas need a key",
     "The field decides which replica gets a message: equal values go to the same one.",
     "a: {op: test/a, replicas: 4}", "a: {op: test/a, replicas: 4, key: feed}"},
    {G_REPLICAS_OPERATOR, "an operator cannot have replicas",
     "A source would deliver everything several times; an operator that owns something outside (a "
     "port, a file with one writer) cannot live twice.",
     "source: {op: test/source, replicas: 2, key: feed}", "source: {op: test/source}"},
    {G_LINK_ROUND, "a link does not cut the graph",
     "full: spill, durable: journal and an edge to another host cut a graph into parts, each with a "
     "log and epochs of its own. What lies behind such an edge is another part than what lies in front of it, so no "
     "other way may lead from one to the other without a link, or back.",
     "edges:\n  - {path: a -> b, full: spill}\n  - a -> c -> b",
     "edges:\n  - {path: a -> b, full: spill}\n  - a -> c\n  - {path: c -> b, full: spill}"},
    {G_LINK_DURABLE, "a journal is of no use without checkpoint:",
     "durable: journal keeps what is on its way to the other part, so that a start goes on with it. "
     "Without checkpoint: no start goes on where the last one stood. full: spill needs no "
     "checkpoint.",
     "edges:\n  - {path: a -> b, durable: journal}",
     "checkpoint: {every: 10s}\nedges:\n  - {path: a -> b, durable: journal}"},
    {G_LINK_SETTINGS, "settings of an edge do not go together",
     "An edge that drops (latest, drop_oldest) is not durable, transport: is not chosen for an edge "
     "that spills or is durable, journal: is only for those, and both ends of such an edge name a "
     "message type.",
     "edges:\n  - {path: a -> b, full: latest, durable: journal}",
     "checkpoint: {every: 10s}\nedges:\n  - {path: a -> b, durable: journal}"},
    {G_VIA, "an edge leads over something that is not known",
     "via: takes an edge over a Kafka topic: one stage puts its messages there, others take them, "
     "in this process or in others (hde run GRAPH --stage NAME). kafka: at the top of the file says "
     "where the brokers are and how topics are made.",
     "edges:\n  - {path: a -> b, via: market.raw}",
     "kafka: {brokers: \"k1:9092,k2:9092\"}\nedges:\n  - {path: a -> b, via: \"kafka:market.raw\"}"},
    {G_VIA_PLUGIN, "the operators of Kafka are not there",
     "via: kafka: makes nodes of kafka/sink, kafka/source and kafka/poison. The folder with these "
     "plugins is not on the plugin path.",
     NULL, NULL},
    {G_VIA_SETTINGS, "an edge via a topic has settings that it cannot have",
     "The topic lies between the ends: it keeps what is not taken yet, and nothing is dropped or "
     "spilled in front of it. Drop behind it, on an edge of its own.",
     "edges:\n  - {path: a -> b, via: \"kafka:raw\", full: latest}",
     "edges:\n  - {path: a -> b, via: \"kafka:raw\"}"},
    {G_SHARED_NODE, "a stage cannot be shared: a node",
     "kafka: {shared: [NAME]} lets any number of processes share a stage: each runs it for some of "
     "the partitions of the topics it reads, with a state for each partition. So all that it takes "
     "comes from topics, and all that it puts into topics goes over edges via: them; a source or a "
     "kafka/sink of its own would work once for each partition.",
     NULL, NULL},
    {G_SHARED_STATE, "a stage cannot be shared: its state",
     "The state of a partition goes from process to process in a folder of the checkpoint store, "
     "with the log beside it. A stage that is shared has that folder (on a disk that all of its "
     "machines see), no record: elsewhere, and no full: spill or durable: inside.",
     "kafka: {shared: [processing]}",
     "kafka: {shared: [processing]}\ncheckpoint: {every: 1s, store: \"${HDE_STATE}\"}"},
    {G_DELIVERY, "a promised delivery does not hold",
     "delivery: says what is promised for a sink, an edge or the whole graph when a process dies: "
     "effectively_once (nothing lost, nothing twice), at_least_once (nothing lost), at_most_once "
     "(nothing twice). One hop on the way cannot keep it; the text names it and what to change. "
     "'hde check --delivery' prints what holds for every sink.",
     "delivery: effectively_once\nnodes: {feed: {op: test/live}, out: {op: test/lines}}",
     "checkpoint: {every: 10s, store: kept}\ndelivery: effectively_once\n"
     "nodes: {feed: {op: test/live}, out: {op: storage/sqlite, params: {path: market.db}}}"},
    {G_HOST_ADDRESS, "an address of a host cannot be used",
     "listen: is what a host binds, tcp://HOST:PORT, or ipc://PATH where all hosts are processes of "
     "one machine. The others connect to the same address; where they see another one (all "
     "addresses are bound, or there is a translation on the way), address: says it.",
     "hosts: {a: {listen: \"10.0.0.1:7700\"}}",
     "hosts: {a: {listen: \"tcp://10.0.0.1:7700\"},\n"
     "        b: {listen: \"tcp://0.0.0.0:7700\", address: \"tcp://b.example:7700\"}}"},
    {G_HOST, "there is no such host",
     "host: of a node or an include, coordinator: and --host name a host of the table hosts: at "
     "the top of the graph.",
     "hosts: {edge: {listen: \"tcp://10.0.0.1:7700\"}}\nnodes: {a: {op: test/a, host: egde}}",
     "hosts: {edge: {listen: \"tcp://10.0.0.1:7700\"}}\nnodes: {a: {op: test/a, host: edge}}"},
    {G_NO_HOSTS, "a host is named, and the graph has none",
     "host:, coordinator: and --host need the table hosts: at the top of the graph.",
     "nodes: {a: {op: test/a, host: edge}}",
     "hosts: {edge: {listen: \"tcp://10.0.0.1:7700\"}}\nnodes: {a: {op: test/a, host: edge}}"},
    {G_HOST_MISSING, "a node lies on no host",
     "In a graph with hosts: every node has a place: host: at the node, else at the include around "
     "it. None is taken by itself: it would be the wrong machine without a word.",
     "hosts: {x: {listen: \"tcp://10.0.0.1:7700\"}}\nnodes: {a: {op: test/a}}",
     "hosts: {x: {listen: \"tcp://10.0.0.1:7700\"}}\nnodes: {a: {op: test/a, host: x}}"},
    {G_HOST_TWICE, "two hosts cannot be told apart",
     "Hosts are reached by their addresses and known by their public keys: no two have the same.",
     "hosts: {x: {listen: \"tcp://10.0.0.1:7700\"}, y: {listen: \"tcp://10.0.0.1:7700\"}}",
     "hosts: {x: {listen: \"tcp://10.0.0.1:7700\"}, y: {listen: \"tcp://10.0.0.2:7700\"}}"},
    {G_HOST_OPEN, "a host would be open to anybody",
     "Without keys whoever reaches the port of a host can send messages to it. 'hde keygen' makes a "
     "pair; the public half of every host stands in the graph, the secret half in a file on its "
     "machine. --insecure of check and run says that the network is trusted.",
     "hosts: {x: {listen: \"tcp://10.0.0.1:7700\"}, y: {listen: \"tcp://10.0.0.2:7700\"}}",
     "hosts: {x: {listen: \"tcp://10.0.0.1:7700\", public_key: \"${KEY_X}\"},\n"
     "        y: {listen: \"tcp://10.0.0.2:7700\", public_key: \"${KEY_Y}\"}}"},
    {G_HOST_KEYS, "some hosts have keys and some have none",
     "A host with a key lets in the keys of the graph and nobody else, so all have one or none has.",
     "hosts: {x: {listen: \"tcp://10.0.0.1:7700\", public_key: \"${KEY_X}\"},\n"
     "        y: {listen: \"tcp://10.0.0.2:7700\"}}",
     "hosts: {x: {listen: \"tcp://10.0.0.1:7700\", public_key: \"${KEY_X}\"},\n"
     "        y: {listen: \"tcp://10.0.0.2:7700\", public_key: \"${KEY_Y}\"}}"},
    {G_HOST_KEY, "this is no public key",
     "A public key has 40 characters, as 'hde keygen' prints it. Quote it: it has signs that YAML "
     "takes for its own.",
     "hosts: {x: {listen: \"tcp://10.0.0.1:7700\", public_key: secret}}",
     "hosts: {x: {listen: \"tcp://10.0.0.1:7700\",\n"
     "            public_key: \"Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID\"}}"},
    {G_HOST_LIST, "one host has to be named",
     "host: of a chain takes one name, that of a node one name or, with replicas: and key:, a list "
     "of hosts that share the replicas.",
     "include: {c: {chain: c.yaml, host: [x, y]}}", "include: {c: {chain: c.yaml, host: x}}"},
    {G_SPREAD_FEW, "fewer replicas than hosts",
     "host: [x, y] shares the replicas of a node out over these hosts, in turn: each gets one at "
     "least.",
     "nodes: {a: {op: test/a, replicas: 2, key: feed, host: [x, y, z]}}",
     "nodes: {a: {op: test/a, replicas: 3, key: feed, host: [x, y, z]}}"},
    {G_SPREAD_TWICE, "a host is in the list twice",
     "Replicas are shared out over different hosts, as many to each as it goes.",
     "nodes: {a: {op: test/a, replicas: 4, key: feed, host: [x, x]}}",
     "nodes: {a: {op: test/a, replicas: 4, key: feed, host: [x, y]}}"},
    {G_MOVE, "nothing of that name can be moved",
     "'hde apply --move NODE=HOST' takes the full name of a node, or of an include for all nodes in "
     "it, and a host of the table hosts:.",
     NULL, "hde apply --move processing=analyse"},
    {G_LOG_CLASH, "two settings of one log",
     "record: and checkpoint: together keep one log, in the folder of record:. A setting of it may "
     "stand under log: of either, and where it stands under both it has to be the same.",
     "record: {to: day.log, log: {segment: 1MiB}}\n"
     "checkpoint: {store: kept, log: {segment: 64MiB}}",
     "record: {to: day.log, log: {segment: 64MiB}}\ncheckpoint: {store: kept}"},
    {G_ANSWERS, "an operator does not say what it answers",
     "Under checkpoint: what an impure operator (its answers come from outside) was asked and has not "
     "answered is kept, and asked again after a crash. This one answers in event() or timer() and does "
     "not say to which question. Leave checkpoint: out, or take an operator that answers in batch() "
     "(with HDE_BLOCKING it may take its time), or one that has HDE_ANSWERS_LATER and names its "
     "questions by hde_answer() (hde/operator.h).",
     "checkpoint: {every: 10s, store: kept}\nnodes: {ask: {op: test/impure}}",
     "checkpoint: {every: 10s, store: kept}\nnodes: {ask: {op: test/later}}"},
    {G_NO_TYPE, "no plugin has a message type of that name",
     "'types:' names the messages of other plugins in full, as their .proto says: package and "
     "message. The type has to be one of a port of an operator on the plugin path ('hde describe "
     "OPERATOR' shows them).",
     "from: {op: kafka/source, params: {topic: spreads, types: [PairSpread]}}",
     "from: {op: kafka/source, params: {topic: spreads, types: [my.PairSpread]}}"},
    {G_TYPE_PORT, "two outputs of a node would have the same name",
     "Each of 'types:' is an output that is called like the message, without its package. Read one "
     "of the two by another node.",
     "types: [my.Spread, your.Spread]", "types: [my.Spread]"},
    {G_TYPE_ISOLATED, "a node with 'types:' cannot be isolated",
     "Its child process knows the operator's own ports alone.",
     "to: {op: kafka/sink, isolate: process, params: {topic: t, types: [my.Spread]}}",
     "to: {op: kafka/sink, params: {topic: t, types: [my.Spread]}}"},
};

enum { N_CODES = sizeof codes / sizeof *codes };

const struct code *
codes_find(const char *code)
{
    char full[16];
    char *end;
    unsigned long number;

    if (strncasecmp(code, "HDE-", 4) == 0)
        code += 4;
    if ((*code | 32) != 'g' || code[1] < '0' || code[1] > '9')
        return NULL;
    number = strtoul(code + 1, &end, 10);
    if (*end || number > 999)
        return NULL;
    snprintf(full, sizeof full, "HDE-G%03lu", number);
    for (size_t i = 0; i < N_CODES; i++)
        if (strcmp(codes[i].code, full) == 0)
            return &codes[i];
    return NULL;
}

size_t
codes_count(void)
{
    return N_CODES;
}

const struct code *
codes_at(size_t i)
{
    return i < N_CODES ? &codes[i] : NULL;
}
