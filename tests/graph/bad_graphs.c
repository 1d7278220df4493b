/* SPDX-License-Identifier: Apache-2.0 */
#include "bad_graphs.h"

#define HEAD "hde: 1\ngraph: t\n"
#define CHAIN "hde: 1\nchain: c\n"
/* a -> b, both fine, to which a row adds what is wrong */
#define PAIR HEAD "nodes: {a: {op: test/source}, b: {op: test/sink}}\n"
#define NODE(params) HEAD "nodes: {p: {op: test/params, params: {" params "}}}\n"
/* hosts x and y, and a pair on them */
#define KEY_X "0123456789012345678901234567890123456789"
#define KEY_Y "0123456789012345678901234567890123456780"
#define X "x: {listen: \"tcp://127.0.0.1:1\"}"
#define Y "y: {listen: \"tcp://127.0.0.1:2\"}"
#define HOSTLESS HEAD "nodes: {a: {op: test/source}, b: {op: test/sink}}\nedges: [a -> b]\n"
#define HOSTS(table)                                                                               \
    HEAD "hosts: {" table "}\n"                                                                    \
         "nodes: {a: {op: test/source, host: x}, b: {op: test/sink, host: y}}\nedges: [a -> b]\n"
#define NEST16 "[[[[[[[[[[[[[[[["
#define FILTER_CHAIN                                                                               \
    "=== c.yaml\n" CHAIN "vars: {rate: 1}\ninputs: {in: f.in}\noutputs: {out: f.out}\n"            \
    "nodes: {f: {op: test/filter}}\n"

const struct bad_graph bad_graphs[] = {
    /* files and YAML */
    {"no such file", "G001!", "", .file = "absent.yaml", .says = "No such file"},
    {"a folder", "G001!", "", .file = "."},
    {"empty", "G006", "@", .says = "nothing in it"},
    {"comments only", "G006", "@# nothing\n\n# here\n"},
    {"not UTF-8", "G003", HEAD "vars: {x: \"@\xE9t\xE9\"}\n", .says = "0xE9"},
    {"overlong UTF-8", "G003", HEAD "# @\xC0\xAF\n"},
    {"UTF-16", "G003", "@\xFF\xFEh"},
    {"control character", "G003", HEAD "vars: {x: \"a@\x07\"}\n", .says = "U+0007"},
    {"text that runs backwards", "G003", HEAD "# @\xE2\x80\xAE\n", .says = "U+202E"},
    {"line separator of its own", "G003", HEAD "# @\xE2\x80\xA8 x\n"},
    {"lone carriage return", "G003", "hde: 1@\rgraph: t\n"},
    {"NUL from an escape", "G003",
     HEAD "vars: {x: @\"a\\0b\"}\nnodes: {a: {op: test/source}, b: {op: test/sink}}\n"
          "edges: [a -> b]\n"},
    {"tab", "G004", HEAD "nodes:\n@\ta: {op: test/source}\n", .says = "use spaces"},
    {"tab behind spaces", "G004", HEAD "nodes:\n  @\ta: {op: test/source}\n"},
    {"missing bracket", "G005", HEAD "nodes: {a: {op: test/source}\n@"},
    {"bad indentation", "G005", HEAD "nodes:\n  a: {op: test/source}\n @b: {op: test/sink}\n"},
    {"path with brackets but no quotes", "G005", PAIR "edges:\n  - [a] @-> b\n",
     .says = "\"[a, b] -> c\""},
    {"reference without quotes in braces", "G005", HEAD "vars: {x: $@{HOME}}\n",
     .says = "in quotes"},
    {"quote not closed", "G005", HEAD "vars: {x: \"abc}\n@", .says = "it began in line 3"},
    {"duplicate key", "G007",
     HEAD "nodes:\n  a: {op: test/source}\n  b: {op: test/sink}\n  @a: {op: test/source}\n"
          "edges: [a -> b]\n",
     .says = "line 4, column 3"},
    {"duplicate key at the top", "G007", PAIR "edges: [a -> b]\n@edges: []\n"},
    {"anchor and alias", "G008 G008",
     HEAD "nodes:\n  a: @&x {op: test/source}\n  b: {op: test/sink}\nedges: [a -> b]\n"
          "dlq: @*x\n",
     .says = "vars:"},
    {"merge key", "G008",
     HEAD "nodes:\n  a:\n    op: test/source\n    @<<: {worker: 1}\n"
          "  b: {op: test/sink}\nedges: [a -> b]\n"},
    {"billion laughs", "G008 G008 G008",
     HEAD "vars:\n  a: @&a [x, x]\n  b: [@*a, @*a]\n"
          "nodes: {a: {op: test/source}, b: {op: test/sink}}\nedges: [a -> b]\n"},
    {"tag", "G009", PAIR "edges: [a -> b]\nworkers: @!!int \"2\"\n"},
    {"two documents", "G010", PAIR "edges: [a -> b]\n@---\nhde: 1\n"},
    {"too deep", "G011", "hde: " NEST16 NEST16 NEST16 "[[[[[[[[[[[[[[[@[[[[\n"},
    {"key is a list", "G013", PAIR "edges: [a -> b]\n? @[x]\n: 1\n"},
    {"key is nothing", "G013", PAIR "edges: [a -> b]\n@~: 1\n"},
    {"a list at the top", "G021", "@- hde: 1\n"},
    {"a word at the top", "G021", "@hello\n"},
    /* the language */
    {"unknown key at the top", "G020", PAIR "@edgs: [a -> b]\nedges: [a -> b]\n",
     .says = "did you mean 'edges'?"},
    {"unknown key of a node", "G020",
     HEAD "nodes: {a: {op: test/source, @parms: {}}, b: {op: test/sink}}\nedges: [a -> b]\n",
     .says = "did you mean 'params'? keys: op, params"},
    {"unknown key of an edge", "G020", PAIR "edges: [{path: a -> b, @ful: latest}]\n",
     .says = "'full'"},
    {"unknown key of an include", "G020",
     HEAD "include: {c: {chain: c.yaml, @wiht: {rate: 2}}}\nnodes: {a: {op: test/source}, "
          "b: {op: test/sink}}\nedges: [a -> c -> b]\n" FILTER_CHAIN,
     .says = "'with'"},
    {"unknown key of on_error", "G020",
     PAIR "edges: [a -> b]\non_error: {do: retry, @atempts: 3}\n", .says = "'attempts'"},
    {"unknown key of capacity", "G020", PAIR "edges: [{path: a -> b, capacity: {@mesages: 10}}]\n",
     .says = "'messages'"},
    {"graph keys in a chain", "G020",
     CHAIN "@workers: 2\nnodes: {f: {op: test/filter}}\n"
           "inputs: {in: f}\noutputs: {out: f}\n"},
    {"nodes are a list", "G054 G021", "@hde: 1\ngraph: t\nnodes: @[a, b]\n"},
    {"a node is a text", "G021",
     HEAD "nodes: {a: @test/source, b: {op: test/sink}}\nedges: [a -> b]\n",
     .says = "write a: {op: test/source}"},
    {"a node is nothing", "G022", HEAD "nodes:\n  @a:\n  b: {op: test/sink}\nedges: [a -> b]\n"},
    {"edges are a mapping", "G053 G078 G021",
     HEAD "nodes: {@a: {op: test/optional}, @p: {op: test/view}}\nedges: @{a: p}\n"},
    {"an edge is a list", "G021", PAIR "edges:\n  - a -> b\n  - @[a, b]\n", .says = "quotes"},
    {"params are a list", "G021",
     HEAD "nodes: {a: {op: test/source, params: @[1]}, b: {op: test/sink}}\nedges: [a -> b]\n"},
    {"op is a list", "G021", HEAD "nodes: {a: {op: @[x]}, b: {op: test/sink}}\nedges: [a -> b]\n"},
    {"op is missing", "G022",
     HEAD "nodes: {@a: {params: {}}, b: {op: test/sink}}\nedges: [a -> b]\n"},
    {"path is missing", "G022", PAIR "edges: [a -> b, @{full: latest}]\n"},
    {"do is missing", "G022", PAIR "edges: [a -> b]\non_error: @{attempts: 3}\n"},
    {"chain is missing", "G022",
     HEAD "include: {@c: {with: {}}}\nnodes: {a: {op: test/source}, b: {op: test/sink}}\n"
          "edges: [a -> b]\n"},
    {"version is missing", "G023",
     "@graph: t\nnodes: {a: {op: test/source}, b: {op: test/sink}}\n"
     "edges: [a -> b]\n",
     .says = "write hde: 1"},
    {"version is unknown", "G023",
     "hde: @2\ngraph: t\nnodes: {a: {op: test/source}, b: {op: "
     "test/sink}}\nedges: [a -> b]\n"},
    {"keys of other versions", "G024 G024",
     HEAD "include: {c: {chain: c.yaml, @isolate: process, @replicas: 2}}\n"
          "nodes: {a: {op: test/source}, b: {op: test/sink}}\nedges: [a -> c -> b]\n" FILTER_CHAIN,
     .says = "not supported by this version"},
    /* hosts */
    {"hosts that are a list", "G021", HOSTLESS "hosts: @[x]\n"},
    {"a host that is a text", "G021", HOSTS("x: @\"tcp://127.0.0.1:1\", " Y)},
    {"a host without listen", "G022", HOSTS("@x: {}, y: {listen: \"ipc://y\"}"),
     .says = "x: {listen: \"tcp://10.0.0.1:7700\"}"},
    {"unknown key of a host", "G020", HOSTS("x: {listen: \"ipc://x\", @lisen: 1}, " Y),
     .says = "'listen'"},
    {"names of hosts", "G026 G026", HOSTS("a@.b: {listen: \"ipc://x\"}, @all: {listen: \"ipc://z\"}, "
                                        X ", " Y),
     .says = "stands for all"},
    {"addresses that are none", "G330 G330 G330 G330 G330 G330 G330 G330 G330",
     HOSTS("x: {listen: @\"10.0.0.1:7700\"}, y: {listen: @\"tcp://127.0.0.1\"}, "
           "c: {listen: @\"tcp://127.0.0.1:70000\"}, d: {listen: @\"tcp://fd00::1:7700\"}, "
           "e: {listen: @\"ipc://\"}, f: {listen: @\"tcp://:7700\"}, "
           "g: {listen: \"ipc://g\", address: @\"tcp://*:7700\"}, "
           "h: {listen: @\"tcp://127.0.0.1:0\"}, i: {listen: @\"tcp://a/b:1\"}"),
     .says = "\"ipc:///run/hde/a\""},
    {"a host that listens everywhere", "G330", HOSTS("x: {listen: @\"tcp://0.0.0.0:7700\", public_key: "
                                                    "\"" KEY_X "\"}, "
                                                    "y: {listen: \"ipc://y\", public_key: \"" KEY_Y
                                                    "\"}"),
     .says = "one of them"},
    {"a host that is not there", "G331 G331",
     HEAD "hosts: {" X ", north: {listen: \"ipc://n\"}}\ncoordinator: @nort\n"
          "nodes: {a: {op: test/source, host: x}, b: {op: test/sink, host: @nroth}}\n"
          "edges: [a -> b]\n",
     .says = "did you mean 'north'? hosts: x, north"},
    {"a chain on a host that is not there", "G331",
     HEAD "hosts: {" X ", " Y "}\ninclude: {c: {chain: c.yaml, host: @z}}\n"
          "nodes: {a: {op: test/source, host: x}, b: {op: test/sink, host: y}}\n"
          "edges: [a -> c -> b]\n" FILTER_CHAIN,
     .says = "a chain: there is no host 'z'"},
    {"a host without hosts", "G332 G332 G332",
     HEAD "include: {c: {chain: c.yaml, host: @z}}\ncoordinator: @x\n"
          "nodes: {a: {op: test/source, host: @x}, b: {op: test/sink}}\n"
          "edges: [a -> c -> b]\n" FILTER_CHAIN,
     .says = "the graph has no hosts:"},
    {"a node on no host", "G333",
     HEAD "hosts: {" X "}\nnodes: {@a: {op: test/source}, b: {op: test/sink, host: x}}\n"
          "edges: [a -> b]\n",
     .says = "host: x"},
    {"two hosts in one place", "G334",
     HOSTS(X ", @y: {listen: \"tcp://127.0.0.1:7\", address: \"tcp://127.0.0.1:1\"}")},
    {"two hosts with one key", "G334",
     HOSTS("x: {listen: \"ipc://x\", public_key: \"" KEY_X "\"}, "
           "@y: {listen: \"ipc://y\", public_key: \"" KEY_X "\"}")},
    {"hosts open to anybody", "G335",
     HOSTS("@x: {listen: \"tcp://10.0.0.1:7700\"}, " Y), .says = "hde keygen"},
    {"hosts half with keys", "G336",
     HOSTS("x: {listen: \"ipc://x\", public_key: \"" KEY_X "\"}, @y: {listen: \"ipc://y\"}")},
    {"a key that is none", "G337",
     HOSTS("x: {listen: \"ipc://x\", public_key: @secret}, " Y), .says = "40 letters"},
    {"a chain on several hosts", "G338",
     HEAD "hosts: {" X ", " Y "}\ninclude: {c: {chain: c.yaml, host: @[x, y]}}\n"
          "nodes: {a: {op: test/source, host: x}, b: {op: test/sink, host: y}}\n"
          "edges: [a -> c -> b]\n" FILTER_CHAIN,
     .says = "take a list of hosts"},
    {"fewer replicas than hosts", "G390",
     HEAD "hosts: {" X ", " Y "}\n"
          "nodes: {a: {op: test/source, host: x}, b: {op: test/sink, host: [@x, y]}}\n"
          "edges: [a -> b]\n",
     .says = "write replicas: 2, or more"},
    {"replicas twice on one host", "G391",
     HEAD "hosts: {" X ", " Y "}\nnodes: {a: {op: test/source, host: y},\n"
          "  b: {op: test/sink, replicas: 4, key: key, host: [x, @x]}}\n"
          "edges: [a -> b]\n"},
    {"replicas over hosts by nothing", "G080",
     HEAD "hosts: {" X ", " Y "}\nnodes: {a: {op: test/source, host: y},\n"
          "  @b: {op: test/sink, replicas: 4, host: [x, y]}}\n"
          "edges: [a -> b]\n"},
    {"a worker that the host does not have", "G028",
     HEAD "workers: 4\nhosts: {x: {listen: \"ipc://x\", workers: 1}, " Y "}\n"
          "nodes: {@a: {op: test/source, host: x, worker: 1}, b: {op: test/sink, host: y, worker: 3}}\n"
          "edges: [a -> b]\n"},
    {"an edge to another host over a transport", "G242",
     HEAD "hosts: {" X ", " Y "}\n"
          "nodes: {a: {op: test/source, host: x}, b: {op: test/sink, host: y}}\n"
          "edges: [{path: a -> @b, transport: zmq}]\n"},
    {"a way over another host and back", "G240 G240",
     HEAD "hosts: {" X ", " Y "}\n"
          "nodes: {a: {op: test/source, host: x}, f: {op: test/filter, host: y}, "
          "b: {op: test/sink, host: x}}\nedges: [a -> b, a -> @f, f -> @b]\n"},
    {"a type that no plugin has", "G360",
     HEAD "nodes: {a: {op: test/source}, b: {op: test/carries, params: {types: [@hde.Smple]}}}\n"
          "edges: [a -> b]\n"},
    {"a type whose output would have the name of another", "G361",
     HEAD "nodes: {a: {op: test/brings, params: {types: [@hde.StateTable]}}, b: {op: test/sink}}\n"
          "edges: [a.state_table -> b]\n"},
    {"types of others in a child process", "G362",
     HEAD "nodes: {a: {op: test/source}, b: {op: test/carries, isolate: process, "
          "params: {types: @[hde.StateTable]}}}\nedges: [a -> b]\n"},
    {"via something that is no topic", "G290",
     PAIR "edges: [{path: a -> b, via: @market.raw}]\n"},
    {"via a topic without the plugin", "G291",
     PAIR "edges: [{path: a -> b, via: @\"kafka:t\"}]\n"},
    {"via a topic with a policy", "G292",
     PAIR "edges: [{path: a -> b, full: drop_oldest, via: @\"kafka:t\"}]\n"},
    {"a shared stage that takes nothing from a topic", "G310",
     HEAD "kafka: {shared: [@b]}\ncheckpoint: {store: kept}\n"
          "nodes: {a: {op: test/source}, b: {op: test/sink}}\nedges: [a -> b]\n"},
    {"a shared stage without a store", "G311",
     HEAD "kafka: {shared: [@b]}\n"
          "nodes: {a: {op: test/source}, b: {op: test/sink}}\nedges: [a -> b]\n"},
    {"a shared stage that is not there", "G071",
     PAIR "kafka: {shared: [@c]}\nedges: [a -> b]\n"},
    {"tcp", "G024",
     PAIR "edges: [{path: a -> b, transport: @tcp}]\n"},
    {"a source in a child process", "G024",
     HEAD "nodes: {@a: {op: test/source, isolate: process}, b: {op: test/sink}}\n"
          "edges: [a -> b]\n",
     .says = "a source"},
    {"isolate of other things", "G021 G028 G020",
     HEAD "nodes: {a: {op: test/source}, b: {op: test/sink, isolate: {memory: @none}},\n"
          "  c: {op: test/sink, isolate: {timeout: @0s}}, d: {op: test/sink, isolate: {@cpu: 1}}}\n"
          "edges: [a -> b, a -> c, a -> d]\n"},
    {"neither graph nor chain", "G025",
     "@hde: 1\nnodes: {a: {op: test/source}, b: {op: test/sink}}\nedges: [a -> b]\n"},
    {"a chain cannot run", "G025",
     "hde: 1\n@chain: c\nnodes: {f: {op: test/filter}}\n"
     "inputs: {in: f}\noutputs: {out: f}\n",
     .for_run = true},
    {"a graph cannot be included", "G025",
     HEAD "include: {c: {chain: @c.yaml}}\nnodes: {a: {op: test/source}, b: {op: test/sink}}\n"
          "edges: [a -> b]\n=== c.yaml\nhde: 1\ngraph: g\n"
          "nodes: {a: {op: test/source}, b: {op: test/sink}}\nedges: [a -> b]\n"},
    {"name with a slash", "G053 G026 G078",
     HEAD "nodes: {@a@/b: {op: test/source}, @b: {op: test/sink}}\nedges: []\n"},
    {"name of dots", "G026 G078", HEAD "nodes: {@@..: {op: test/view}}\n"},
    {"name is an emoji", "G026",
     "hde: 1\ngraph: @\xF0\x9F\x9A\x80\nnodes: {a: {op: test/source}, "
     "b: {op: test/sink}}\nedges: [a -> b]\n"},
    {"name behind an emoji is placed by characters", "G026",
     HEAD "vars: {x: \"\xF0\x9F\x9A\x80\", @2: x}\nnodes: {a: {op: test/source}, b: {op: "
          "test/sink}}\nedges: [a -> b]\n"},
    {"name is too long", "G026",
     HEAD "vars: {@a2345678901234567890123456789012345678901234567890123456789012345: 1}\n"
          "nodes: {a: {op: test/source}, b: {op: test/sink}}\nedges: [a -> b]\n",
     .says = "longer than 64"},
    {"vars is taken", "G026",
     HEAD "nodes: {@vars: {op: test/source}, b: {op: test/sink}}\n"
          "edges: [vars -> b]\n"},
    {"unknown policy", "G027", PAIR "edges: [{path: a -> b, full: @latst}]\n",
     .says = "did you mean 'latest'? words: block, latest, drop_oldest"},
    {"unknown on_error", "G027", PAIR "edges: [a -> b]\non_error: @skp\n", .says = "'skip'"},
    {"unknown then", "G027", PAIR "edges: [a -> b]\non_error: {do: retry, then: @retry}\n"},
    {"unknown transport", "G027", PAIR "edges: [{path: a -> b, transport: @zmp}]\n"},
    {"workers out of range", "G028", PAIR "edges: [a -> b]\nworkers: @0\n", .says = "1 to 64"},
    {"workers is no number", "G021", PAIR "edges: [a -> b]\nworkers: @many\n"},
    {"workers with digit groups", "G021", PAIR "edges: [a -> b]\nworkers: @1_0\n"},
    {"replicas out of range", "G028 G029",
     HEAD "nodes: {a: {op: test/source}, b: {op: test/sink, replicas: @1000, key: @key}}\n"
          "edges: [a -> b]\n"},
    {"worker that is not there", "G028",
     HEAD "workers: 2\nnodes: {a: {op: test/source}, @b: {op: test/sink, worker: 2}}\n"
          "edges: [a -> b]\n"},
    {"capacity of nothing", "G028", PAIR "edges: [{path: a -> b, capacity: @0}]\n"},
    {"capacity negative", "G028", PAIR "edges: [{path: a -> b, capacity: @-5}]\n"},
    {"capacity too small in bytes", "G028", PAIR "edges: [{path: a -> b, capacity: @1KiB}]\n"},
    {"capacity with another unit", "G028", PAIR "edges: [{path: a -> b, capacity: @64MB}]\n"},
    {"capacity is a word", "G021", PAIR "edges: [{path: a -> b, capacity: @lots}]\n"},
    {"backoff without unit", "G028", PAIR "edges: [a -> b]\non_error: {do: retry, backoff: @5}\n"},
    {"backoff over max_backoff", "G028",
     PAIR "edges: [a -> b]\non_error: {do: retry, backoff: 5s, max_backoff: @1s}\n"},
    {"key without latest", "G029", PAIR "edges: [{path: a -> b, key: @key}]\n"},
    {"key without replicas", "G029",
     HEAD "nodes: {a: {op: test/source}, b: {op: test/sink, key: @key}}\nedges: [a -> b]\n"},
    {"boundary: yes", "G046",
     HEAD "nodes: {a: {op: test/source}, b: {op: test/sink, boundary: @yes}}\nedges: [a -> b]\n",
     .says = "write true"},
    {"boundary: Norway", "G046",
     HEAD "nodes: {a: {op: test/source}, b: {op: test/sink, boundary: @no}}\nedges: [a -> b]\n",
     .says = "write false"},
    {"boundary is a number", "G021",
     HEAD "nodes: {a: {op: test/source}, b: {op: test/sink, boundary: @1}}\nedges: [a -> b]\n"},
    /* variables, secrets, --set */
    {"variable that is not there", "G030",
     HEAD "vars: {rate: x}\nnodes: {p: {op: test/params, params: {needed: \"@${vars.rat}\"}}}\n",
     .says = "'rate'"},
    {"variable inside a text", "G030", NODE("needed: \"a \\\"b\\\" @${vars.x} c\"")},
    {"variable in a text of several lines", "G030",
     HEAD "nodes:\n  p:\n    op: test/params\n    params:\n      needed: one two\n"
          "        three @${vars.x}\n"},
    {"variable that nobody reads", "G030",
     HEAD "vars: {x: \"@${vars.y}\"}\nnodes: {a: {op: "
          "test/source}, b: {op: test/sink}}\n"
          "edges: [a -> b]\n"},
    {"environment, check", "G031", NODE("needed: \"@${HDE_TEST_UNSET}\""), .says = "warning"},
    {"environment, run", "G031", NODE("needed: \"x@${HDE_TEST_UNSET}\""), .for_run = true,
     .says = "error"},
    {"secret, check", "G032", NODE("needed: x, token: \"@${file:none.token}\""), .says = "warning"},
    {"secret, run", "G032", NODE("needed: x, token: \"@${file:none.token}\""), .for_run = true,
     .says = "error"},
    {"reference to nothing", "G033", NODE("needed: \"@${}\"")},
    {"reference not closed", "G033", NODE("needed: \"@${vars.x\"")},
    {"reference with a strange name", "G033", NODE("needed: \"@${secret:X}\""),
     .says = "${file:PATH}"},
    {"a list inside a text", "G033",
     HEAD "vars: {l: [a]}\nnodes: {p: {op: test/params, params: {needed: \"x@${vars.l}\"}}}\n"},
    {"with of another name", "G034",
     HEAD "include: {c: {chain: c.yaml, with: {@rte: 2}}}\nnodes: {a: {op: test/source}, "
          "b: {op: test/sink}}\nedges: [a -> c -> b]\n" FILTER_CHAIN,
     .says = "'rate'"},
    {"variable that needs itself", "G035",
     HEAD "vars:\n  x: \"${vars.y}\"\n  y: \"@${vars.x}\"\nnodes: {a: {op: test/source}, b: {op: "
          "test/sink}}\nedges: [a -> b]\n"},
    {"set of another node", "G036!", NODE("needed: x"), .set = "q.needed=y",
     .says = "command line: error"},
    {"set of another parameter", "G036!", NODE("needed: x"), .set = "p.neded=y",
     .says = "did you mean 'needed'?"},
    {"set of another variable", "G036!", NODE("needed: x"), .set = "vars.x=y"},
    {"set of a node that is there twice", "G036!",
     HEAD "include: {c: {chain: c.yaml}, d: {chain: c.yaml}}\nnodes: {a: {op: test/source}, "
          "b: {op: test/sink}}\nedges: [a -> c -> d -> b]\n" FILTER_CHAIN,
     .set = "f.x=1", .says = "c.f, d.f"},
    {"set without a value", "G037!", NODE("needed: x"), .set = "p.needed"},
    {"set without a node", "G037!", NODE("needed: x"), .set = "needed=5",
     .says = "NODE.PARAMETER=VALUE"},
    {"set to a wrong value", "G043!", NODE("needed: x"), .set = "p.count=99",
     .says = "    1 | --set p.count=99\n      |               ^"},
    {"secret in the file", "G038", NODE("needed: x, token: @abc"), .says = "warning HDE-G038"},
    /* parameters */
    {"unknown parameter", "G040", NODE("needed: x, @windw: 5s"), .says = "'window'"},
    {"required parameter", "G041", HEAD "nodes: {@p: {op: test/params}}\n",
     .says = "what the test needs"},
    {"wrong type", "G042", NODE("needed: x, count: @many")},
    {"number too large for anything", "G043", NODE("needed: x, factor: @1e999")},
    {"not a number", "G042", NODE("needed: x, factor: @NaN")},
    {"out of range", "G043", NODE("needed: x, count: @-3"), .says = "1 to 10 strikes"},
    {"unit is missing", "G044", NODE("needed: x, window: @5"), .says = "250ms"},
    {"unit of another kind", "G044", NODE("needed: x, buffer: @5s")},
    {"no such choice", "G045", NODE("needed: x, mode: @mdi"), .says = "'mid'"},
    {"truth value in words", "G046", NODE("needed: x, flag: @off")},
    {"value of a variable is shown where it stands", "G044",
     HEAD "vars: {w: @5}\nnodes: {p: {op: test/params, params: {needed: x, window: "
          "\"${vars.w}\"}}}\n"},
    /* operators, nodes, includes */
    {"unknown operator", "G050",
     HEAD "nodes: {a: {op: @test/sorce}, b: {op: test/sink}}\nedges: [a -> b]\n",
     .says = "did you mean 'test/source'?"},
    {"operator without its folder", "G050",
     HEAD "nodes: {a: {op: @source}, b: {op: test/sink}}\nedges: [a -> b]\n",
     .says = "did you mean 'test/source'?"},
    {"refused plugin", "G051",
     HEAD "nodes: {a: {op: @broken/thing}, b: {op: test/sink}}\nedges: [a -> b]\n",
     .says = "plugins/broken-thing.so: HDE-P001 not an ELF file"},
    {"node and chain of one name", "G078 G052 G053 G078",
     HEAD "include: {@c: {chain: c.yaml}}\nnodes: {@@c: {op: test/source}, @b: {op: test/sink}}\n"
          "edges: []\n" FILTER_CHAIN},
    {"nobody reads a source", "G053", HEAD "nodes: {@a: {op: test/source}}\n",
     .says = "warning HDE-G053"},
    {"nothing leads to a node", "G053", HEAD "nodes: {@p: {op: test/idle}}\n"},
    {"no nodes", "G054", "@hde: 1\ngraph: t\n"},
    {"empty nodes", "G054", "@hde: 1\ngraph: t\nnodes: {}\n"},
    {"include loop", "G060",
     HEAD "include: {c: {chain: c.yaml}}\nnodes: {a: {op: test/source}, b: {op: test/sink}}\n"
          "edges: [a -> b]\n=== c.yaml\n" CHAIN "include: {d: {chain: d.yaml}}\n=== d.yaml\n" CHAIN
          "include: {c: {chain: @c.yaml}}\n",
     .says = "c.yaml -> "},
    {"a file includes itself", "G060", CHAIN "include: {c: {chain: @main.yaml}}\n"},
    {"included file that is not there", "G001",
     HEAD "include: {c: {chain: @nowhere.yaml}}\nnodes: {a: {op: test/source}, b: {op: "
          "test/sink}}\nedges: [a -> c -> b]\n"},
    /* edges */
    {"path with another arrow", "G070", PAIR "edges:\n  - a @=> b\n", .says = "'->' is needed"},
    {"path of one name", "G070", PAIR "edges: [a -> b, a@]\n"},
    {"path ends with an arrow", "G070", PAIR "edges: [a -> b, \"a -> @\"]\n"},
    {"bracket not closed", "G070", PAIR "edges:\n  - a -> [b@\n"},
    {"brackets in brackets", "G070", PAIR "edges:\n  - a -> [@[b]]\n", .says = "do not nest"},
    {"path into a chain", "G070",
     HEAD "include: {c: {chain: c.yaml}}\nnodes: {a: {op: test/source}, b: {op: test/sink}}\n"
          "edges: [a -> c -> b, a -> c.f@.in]\n" FILTER_CHAIN,
     .says = "inputs and outputs"},
    {"node that is not there", "G071", PAIR "edges:\n  - a -> b\n  - a -> @bb\n", .says = "'b'"},
    {"nodes that are not there, one path", "G071 G071", PAIR "edges:\n  - a -> @x -> @y -> b\n"},
    {"node in quotes", "G071 G076", PAIR "edges: [a -> b, \"a -> [@q, @b]\"]\n"},
    {"output that is not there", "G072", PAIR "edges: [a.@uot -> b]\n",
     .says = "outputs: out (hde.Sample)"},
    {"input that is not there", "G072", PAIR "edges: [a -> b.@inn]\n", .says = "'in'"},
    {"an input is no output", "G072",
     HEAD "nodes: {a: {op: test/source}, f: {op: test/filter}, b: {op: test/sink}}\n"
          "edges: [a -> f, f.@in -> b]\n"},
    {"port of a chain that is not there", "G072",
     HEAD "include: {c: {chain: c.yaml}}\nnodes: {a: {op: test/source}, b: {op: test/sink}}\n"
          "edges: [a -> c, c.@outt -> b]\n" FILTER_CHAIN,
     .says = "chain 'c' has no output 'outt'"},
    {"one of several inputs", "G073",
     HEAD "nodes: {a: {op: test/source}, j: {op: test/join}, b: {op: test/sink}}\n"
          "edges: [a -> @j -> b, a -> j.left, a -> j.right]\n",
     .says = "left (hde.Sample), right (hde.Sample)"},
    {"one of several outputs", "G073",
     HEAD "nodes: {a: {op: test/source}, s: {op: test/split}, b: {op: test/sink}}\n"
          "edges: [a -> @s -> b]\n"},
    {"a sink has no outputs", "G074",
     HEAD "nodes: {a: {op: test/source}, b: {op: test/sink}, c: {op: test/sink}}\n"
          "edges: [a -> @b -> c]\n"},
    {"a source has no inputs", "G074 G074", PAIR "edges: [a -> b, @b -> @a]\n"},
    {"types differ", "G075",
     HEAD "nodes: {a: {op: test/table}, b: {op: test/sink}}\nedges: [a -> @b]\n",
     .says = "'a.out' sends hde.StateTable, 'b.in' takes hde.Sample"},
    {"types of a chain's output differ", "G075",
     HEAD "include: {c: {chain: c.yaml}}\nnodes: {b: {op: test/sink}}\nedges: [c -> b.@in]\n"
          "=== c.yaml\n" CHAIN "nodes: {a: {op: test/source}, t: {op: test/table}}\n"
          "outputs: {all: [a, t.out]}\n",
     .says = "'c.t.out' sends hde.StateTable"},
    {"the same edge twice", "G076", PAIR "edges:\n  - a -> b\n  - a.out -> b.@in\n",
     .says = "main.yaml:5:10"},
    {"the same node twice in brackets", "G076", PAIR "edges:\n  - a -> [b, @b]\n"},
    {"cycle", "G077",
     HEAD "nodes: {a: {op: test/filter}, b: {op: test/filter}, c: {op: test/filter}}\n"
          "edges:\n  - a -> b -> c\n  - c -> @a\n",
     .says = "a -> b -> c -> a"},
    {"self edge", "G077", HEAD "nodes: {a: {op: test/filter}}\nedges: [a -> @a]\n",
     .says = "'a' feeds itself"},
    {"two cycles", "G077 G077",
     HEAD "nodes: {a: {op: test/filter}, b: {op: test/filter}, c: {op: test/filter}, d: {op: "
          "test/filter}}\nedges:\n  - a -> b -> @a\n  - b -> c -> d -> @c\n"},
    {"cycle through a chain", "G077",
     HEAD "include: {c: {chain: c.yaml}}\nnodes: {a: {op: test/filter}}\n"
          "edges: [a -> c -> @a]\n" FILTER_CHAIN,
     .says = "a -> c.f -> a"},
    {"input not connected", "G078",
     HEAD "nodes: {a: {op: test/source}, @j: {op: test/join}, b: {op: test/sink}}\n"
          "edges: [a -> j.left, j -> b]\n",
     .says = "input 'right' of node 'j'"},
    {"input of a chain not connected", "G078",
     HEAD
     "include: {@c: {chain: c.yaml}}\nnodes: {b: {op: test/sink}}\nedges: [c -> b]\n" FILTER_CHAIN,
     .says = "NODE -> c.in"},
    {"key is no field", "G079", PAIR "edges: [{path: a -> b, full: latest, key: @ky}]\n",
     .says = "'key'"},
    {"one of several keys is no field", "G079",
     PAIR "edges: [{path: a -> b, full: latest, key: [key, @expiry]}]\n"},
    {"key is a list of numbers", "G079",
     PAIR "edges: [{path: a -> b, full: latest, key: @values}]\n", .says = "not a single value"},
    {"key of replicas is no field", "G079",
     HEAD "nodes: {a: {op: test/source}, b: {op: test/sink, replicas: 2, key: @symbol}}\n"
          "edges: [a -> b]\n"},
    {"replicas without key", "G080",
     HEAD "nodes: {a: {op: test/source}, @b: {op: test/sink, replicas: 2}}\nedges: [a -> b]\n"},
    {"replicas of a source", "G081",
     HEAD "nodes: {@a: {op: test/source, replicas: 2, key: key}, b: {op: test/sink}}\n"
          "edges: [a -> b]\n"},
    {"replicas of what cannot live twice", "G081",
     HEAD "nodes: {a: {op: test/source}, @b: {op: test/writer, replicas: 2, key: key}}\n"
          "edges: [a -> b]\n"},
    /* links */
    {"a link beside another way", "G240",
     HEAD "nodes: {a: {op: test/source}, f: {op: test/filter}, b: {op: test/sink}}\n"
          "edges: [{path: a -> @b, full: spill}, a -> f, f -> b]\n",
     .says = "cuts nothing"},
    {"a link that leads back", "G240 G240",
     HEAD "nodes: {a: {op: test/source}, s: {op: test/source}, f: {op: test/filter},\n"
          "  k: {op: test/any_sink}, j: {op: test/join}, b: {op: test/sink}}\n"
          "edges: [a -> f, {path: f -> j.@left, full: spill}, s -> j.right, j -> b,\n"
          "  {path: s -> @k, full: spill}, f -> k]\n",
     .says = "over another link"},
    {"a journal without checkpoint", "G241",
     PAIR "edges: [{path: a -> @b, durable: journal}]\n"},
    {"links and other settings", "G242 G242 G242",
     HEAD "checkpoint: {every: 1s}\nnodes: {a: {op: test/source}, b: {op: test/sink},\n"
          "  c: {op: test/sink}, d: {op: test/sink}}\n"
          "edges:\n  - {path: a -> @b, full: latest, durable: journal}\n"
          "  - {path: a -> @c, full: spill, transport: zmq}\n"
          "  - {path: a -> @d, journal: {folder: x}}\n"},
    {"two settings of one log", "G260 G260",
     HEAD "record: {to: a.log, log: {segment: @1MiB, max_age: @2h, sync: 5ms}}\n"
          "checkpoint: {store: s, log: {segment: 2MiB, max_age: 1h, sync: 5ms}}\n"
          "nodes: {a: {op: test/source}, b: {op: test/sink}}\nedges: [a -> b]\n",
     .says = "under checkpoint:, "},
    {"settings of the log", "G020 G028 G028 G021",
     HEAD "record: {to: a.log, log: {@segments: 1MiB, segment: @1KiB, max_age: @1us, sync_size: @x}}\n"
          "nodes: {a: {op: test/source}, b: {op: test/sink}}\nedges: [a -> b]\n"},
    {"a journal that is too small", "G028",
     PAIR "edges: [{path: a -> b, full: spill, journal: {limit: @5}}]\n"},
    /* several at once */
    {"everything in one file", "G020 G046 G040 G044 G050 G021 G024 G070 G073 G071",
     HEAD "nodes:\n"
          "  a: {op: test/source, @optional: 1}\n"
          "  f: {op: test/filter, boundary: @on}\n"
          "  p: {op: test/params, params: {needed: x, @cuont: 1, window: @5}}\n"
          "  x: {op: @test/nix}\n"
          "  j: {op: test/join, on_error: @[stop]}\n"
          "  b: {op: test/sink}\n"
          "edges:\n"
          "  - {path: a -> f, transport: @tcp}\n"
          "  - a @- > b\n"
          "  - f -> [@j, @z]\n"
          "  - x -> [j.left, j.right]\n"
          "  - j -> b\n"},
    {"errors in all files", "G040 G044 G020 G030 G034",
     HEAD "include: {c: {chain: c.yaml, with: {@ra: 1}}}\n"
          "nodes: {a: {op: test/source}}\nedges: [a -> c]\n"
          "=== c.yaml\n" CHAIN "vars: {rate: 1}\ninputs: {in: k.in}\n"
          "nodes:\n  p: {op: test/params, params: {needed: x, @cont: 1, window: @1, count: 2}}\n"
          "  q: {op: test/source, @x: y}\n  s: {op: test/params, params: {needed: "
          "\"@${vars.r}\"}}\n  k: {op: test/sink}\nedges: [q -> k]\n"},

    /* promises: one for each kind of hop that breaks effectively_once */
    {"no such promise", "G027", PAIR "edges: [a -> b]\ndelivery: @exactly_once\n"},
    {"promised without a log", "G220",
     HEAD "delivery: effectively_once\n"
          "nodes: {a: {op: test/rewinds}, @b: {op: test/marked}}\nedges: [a -> b]\n",
     .says = "no log is kept"},
    {"promised from a source that begins again", "G220",
     HEAD "checkpoint: {store: s}\ndelivery: effectively_once\n"
          "nodes: {a: {op: test/once}, @b: {op: test/marked}}\nedges: [a -> b]\n",
     .says = "source 'a' (test/once) begins again at its beginning"},
    {"promised over an edge that drops", "G220",
     HEAD "checkpoint: {store: s}\ndelivery: effectively_once\n"
          "nodes: {a: {op: test/rewinds}, f: {op: test/filter}, @b: {op: test/marked}}\n"
          "edges: [{path: a -> f, full: drop_oldest}, f -> b]\n",
     .says = "edge 'a.out -> f.in' drops messages"},
    {"promised behind a node that skips", "G220",
     HEAD "checkpoint: {store: s}\ndelivery: effectively_once\n"
          "nodes: {a: {op: test/rewinds}, f: {op: test/filter, on_error: skip}, "
          "@b: {op: test/marked}}\nedges: [a -> f, f -> b]\n",
     .says = "node 'f' puts messages aside"},
    {"an operator that does not say what it answers, under a checkpoint", "G325",
     HEAD "checkpoint: {store: s}\n"
          "nodes: {a: {op: test/rewinds}, @f: {op: test/impure}, b: {op: test/marked}}\n"
          "edges: [a -> f, f -> b]\n",
     .says = "node 'f' (test/impure) answers in event() or timer()"},
    {"promised of a sink without a mark", "G220",
     HEAD "checkpoint: {store: s}\n"
          "nodes: {a: {op: test/rewinds}, @b: {op: test/sink, delivery: effectively_once}}\n"
          "edges: [a -> b]\n",
     .says = "sink 'b' (test/sink) keeps no mark"},
    {"promised of an edge", "G220",
     HEAD "checkpoint: {store: s}\n"
          "nodes: {a: {op: test/rewinds}, c: {op: test/once}, b: {op: test/marked}}\n"
          "edges: [{path: a -> b, delivery: effectively_once}, "
          "{path: c -> @b, delivery: effectively_once}]\n",
     .says = "'c.out -> b.in' is promised effectively_once"},
    {"at least once over an edge that drops", "G220",
     HEAD "checkpoint: {store: s}\ndelivery: at_least_once\n"
          "nodes: {a: {op: test/once}, @b: {op: test/sink}}\n"
          "edges: [{path: a -> b, full: drop_oldest}]\n",
     .says = "promised at_least_once"},
    {"promised of a sink that lets go", "G220",
     HEAD "checkpoint: {store: s}\n"
          "nodes: {a: {op: test/rewinds}, @b: {op: test/casts, delivery: effectively_once}}\n"
          "edges: [a -> b]\n",
     .says = "sink 'b' (test/casts) lets go"},
    {"at most once into a sink that is started again", "G220",
     HEAD "checkpoint: {store: s}\ndelivery: at_most_once\n"
          "nodes: {a: {op: test/rewinds}, @b: {op: test/casts, on_error: restart}}\n"
          "edges: [a -> b]\n",
     .says = "is given again what it had"},
    {"at most once into a sink without a mark", "G220",
     HEAD "checkpoint: {store: s}\ndelivery: at_most_once\n"
          "nodes: {a: {op: test/rewinds}, @b: {op: test/sink}}\nedges: [a -> b]\n",
     .says = "promised at_most_once"},
};

const size_t n_bad_graphs = sizeof bad_graphs / sizeof *bad_graphs;
