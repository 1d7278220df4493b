/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/codes.h"

#include <stddef.h>

const struct code engine_codes[] = {
    {"HDE-R001", "a node does not open",
     "The operator's open() refused: a file, an address, a service or a parameter is not usable. "
     "The text is the operator's own. Nothing was started.",
     NULL, NULL},
    {"HDE-R002", "the counters cannot be kept",
     "The file for the counters (in /dev/shm unless told otherwise) cannot be made or mapped: no "
     "room, or no right to write there.",
     NULL, NULL},
    {"HDE-R003", "the counters cannot be read",
     "The file is gone, is not one of a running graph, or belongs to another version of hde.", NULL,
     NULL},
    {"HDE-R004", "the system refused a thread, socket or descriptor",
     "A limit of the user or the machine was met: see 'ulimit -a' (processes, open files) and the "
     "memory that is left.",
     NULL, NULL},
    {"HDE-R005", "a node cannot be replayed",
     "Under the virtual clock of `hde replay` nothing may come from a live service: operators that "
     "only work live, or whose answers come from outside, are refused. Leave the node out of the "
     "graph that is replayed.",
     NULL, NULL},
    {"HDE-R006", "ZeroMQ refused",
     "A socket of an edge with `transport: zmq` cannot be opened or used. The text is ZeroMQ's "
     "own; see 'ulimit -n' for the number of open files.",
     NULL, NULL},
    {"HDE-R007", "an edge received what it cannot read",
     "A frame of an edge with `transport: zmq` was of another version, out of order or damaged, or "
     "came without credit. The edge stops the graph rather than go on with a gap; the counter "
     "hde_edge_corrupt_total tells how many there were.",
     NULL, NULL},
    {"HDE-R012", "a log cannot be taken again",
     "The folder holds no ingress log, its last start is gone, or an entry does not fit the graph: a "
     "node that the graph does not have, a port or message type that the node does not have. Replay "
     "with the graph and the plugins that wrote the log.",
     NULL, NULL},
    {"HDE-R013", "the ingress log has no room",
     "The disk is full, and with it what the log keeps for decisions. Nothing was lost: the run ends "
     "with the entries that the log has.",
     NULL, NULL},
    {"HDE-R014", "the checkpoint store cannot be used",
     "The folder cannot be made or read, or what it holds does not go together: epochs without the "
     "log behind them, or a log whose beginning was retired and no whole epoch.",
     NULL, NULL},
    {"HDE-R015", "saved state does not fit the graph",
     "A checkpoint holds the state of a node that this graph does not have, that is another operator "
     "here, or that does not take what was saved. Nothing was started and nothing is lost: run the "
     "graph that wrote it, or begin with another store.",
     NULL, NULL},
    {"HDE-R016", "a source does not go back",
     "After a restart a source is asked to go on where it stood (seek), and refused: the file it read "
     "is another one, was changed in front of that place, or is shorter. Nothing was lost: put the "
     "file back, begin with another store, or go on with what is there: hde run "
     "--accept-changed-source.",
     NULL, NULL},
    {"HDE-R111", "a source answers differently",
     "The log of a graph with checkpoints does not hold what a source can be asked for again, a file "
     "say, but a checksum of it. Recovery asked the source, and it gave other messages, or fewer: "
     "the file was changed behind the last checkpoint. Nothing was computed from them, nothing was "
     "lost: put the file back, begin with another store, or go on with what is there: hde run "
     "--accept-changed-source. That is a new incarnation: what the log has from there on is void, its "
     "rows come again, and what sinks have stored of the old messages stays. record: beside "
     "checkpoint: keeps all messages in the log.",
     NULL, NULL},
    {"HDE-R110", "what an edge that drops held cannot be given back",
     "A checkpoint or savepoint holds messages of an edge with full: latest or drop_oldest in front "
     "of a node that is no view, and this graph has no such edge, or its output has another message "
     "type. Start with the graph that it was made with, and change that by hde apply.",
     NULL, NULL},
    {"HDE-R161", "a changed source, and a change of the graph behind it",
     "With --accept-changed-source a start goes on from what a source gives now; what the log has from "
     "there on never happened. A change of the graph (hde apply) is among it, and the graph file says "
     "nothing of what was before. Nothing was changed: put the source's file back and start once, or "
     "begin with another store.",
     NULL, NULL},
    {"HDE-R160", "an answer without its question",
     "An operator with HDE_ANSWERS_LATER says to which question each of its answers belongs: "
     "hde_answer() behind the messages of an answer, in the same call. This one has emitted messages "
     "in a call and not said so. Nothing of them went on: it is a mistake in the operator.",
     NULL, NULL},
    {"HDE-R010", "a node failed",
     "The operator said that its instance is broken, and on_error says stop (the default). The "
     "text "
     "is the operator's own. on_error: retry or skip goes on instead.",
     "feed: {op: ingestion/dhan_chain}",
     "feed: {op: ingestion/dhan_chain, on_error: {do: retry, attempts: 5, then: stop}}"},
    {"HDE-R011", "an operator broke the rules of the ABI",
     "It did what hde/operator.h forbids, for example emitted another type than its port has, or "
     "counted batch->done past batch->n. This is a fault of the operator.",
     NULL, NULL},
    {"HDE-R080", "a log has no hashes to verify",
     "`hde replay FOLDER --verify` compares with the hashes that the run has written at its barriers. "
     "The run wrote none, or ended before its first barrier.",
     "record: kept", "record: {to: kept, hashes: 10s}"},
    {"HDE-R081", "two builds cannot be compared",
     "`hde bisect` compares outputs of one graph under two builds of a plugin: at least one node must "
     "run an operator of it, and both builds must have the same outputs.",
     NULL, NULL},
    {"HDE-R082", "a build does not repeat itself",
     "Taking the same log twice with the same build gave other messages. An operator of it uses what "
     "is not in the log: a clock, random numbers, memory that was not set.",
     NULL, NULL},
    {"HDE-R087", "the log has no such entry",
     "`hde why` takes a tick of the log ('hde log cat' shows them), or fields of a message that a sink "
     "of the graph stored; the beginning of a log may have been retired.",
     NULL, NULL},
    {"HDE-R083", "there is no such savepoint", "'hde savepoint ls GRAPH' lists those in the store.",
     NULL, NULL},
    {"HDE-R084", "a savepoint is damaged",
     "The file is not whole (its checksum says so), or was written by a version whose state this one "
     "does not read. Take another savepoint; nothing was changed.",
     NULL, NULL},
    {"HDE-R085", "a savepoint cannot be called so",
     "A name is made of letters, digits, '.', '_' and '-', and must not be taken: 'hde savepoint rm' "
     "removes one.",
     "hde savepoint take 'before monday'", "hde savepoint take before-monday"},
    {"HDE-R086", "no savepoint can be taken here",
     "The graph has no checkpoint:, is not running, takes another one, or an actor did not pass the "
     "barrier in time ('hde status' tells what waits for what). The graph goes on.",
     NULL, NULL},
    {"HDE-R120", "a savepoint of other parts",
     "A savepoint of a graph that links (`full: spill`, `durable: journal`) cut into parts goes back "
     "into parts of the same names, each called after its first node; one of a graph without links "
     "into a graph without links. Start the graph as it was, or begin with another store.",
     NULL, NULL},
    {"HDE-R121", "a part of the graph gives no share of a savepoint",
     "A savepoint of a graph in parts has the state of all of them. One that has come to the end of "
     "its data gives what stood there; one that has failed, or whose end could not be written to "
     "the store, gives nothing. 'hde status' and the log tell which. The others go on.",
     NULL, NULL},
    {"HDE-R310", "a host is not there and has not ended",
     "A savepoint over several hosts is taken of all that run. A host that has come to the end of "
     "its data and left needs no share: what it ended with is in its store. This one is not "
     "there, and an edge to or from it is not at its end, or the host at the other end has not "
     "heard so: it was stopped or has died. Start it, and take the savepoint again.",
     NULL, NULL},
    {"HDE-R311", "another host leads in place of this one",
     "This host leads changes of the graph and was said to be lost (`hde apply --lost`) while it "
     "decided one. Its decision came too late: the others have looked into its store before, and "
     "forgot the change. Its nodes go on elsewhere; when it is started again the graph file and "
     "its store say so.",
     NULL, NULL},
    {"HDE-R020", "nothing of that name can be reloaded",
     "`hde reload` takes the name of a node, or of an operator that nodes of the running graph "
     "use. 'hde status' lists both.",
     "hde reload pcr", "hde reload processing/pcr"},
    {"HDE-R021", "the new build does not fit where the old one runs",
     "A node is wired when the graph starts: ports and their message types, flags, and whether it "
     "takes events or sets timers in processing time cannot change while it runs. Start the graph "
     "again with the new build.",
     NULL, NULL},
    {"HDE-R023", "a reload would lose state",
     "The old build has state that the new one cannot take over. Give the new one a load() for the "
     "same message type, or agree to begin anew with --drop-state.",
     NULL, "hde reload NODE --drop-state"},
    {"HDE-R024", "the new build knows only older state",
     "State carries the number of its schema. load() gets older numbers and migrates them, newer "
     "ones cannot be read: this is a build from before a change of the state.",
     NULL, NULL},
    {"HDE-R025", "a new instance does not open",
     "open() of the new build refused; the text is its own. The old build goes on.", NULL, NULL},
    {"HDE-R026", "state could not be handed over",
     "save() of the old build or load() of the new one refused; the text is the operator's own. "
     "The old build goes on.",
     NULL, NULL},
    {"HDE-R027", "handing state over took too long",
     "The node stands still while its state is saved and loaded, so there is a limit for it. The "
     "old build goes on.",
     NULL, NULL},
    {"HDE-R028", "the trial of a new build failed",
     "It crashed, did not return, or failed on a message of the running node, in a child process "
     "that had the parameters and the state of the node. The text names the function. The old "
     "build goes on.",
     NULL, NULL},
    {"HDE-R029", "a new build failed on probation",
     "It failed, or rejected more messages than the build before it, within the time of "
     "--probation. The old build runs again, with the state; the call that failed was made again "
     "by it.",
     NULL, NULL},
    {"HDE-R030", "a node cannot be reloaded now",
     "The graph is not running, the node has failed, is in a call that does not return, or is a "
     "sink that waits for its next try. The old build goes on; ask again.",
     NULL, NULL},
    {"HDE-R031", "this build runs already",
     "The file has the build id of the build that runs: it was not built again, or the reload was "
     "meant for another file (--so).",
     NULL, NULL},
    {"HDE-R032", "a newer request came first",
     "Requests for the same target that still wait are replaced by the newest one.", NULL, NULL},
    {"HDE-R040", "a build that is needed is not there",
     "With record: or checkpoint: a copy of every plugin file that runs is kept beside the log, in "
     "its folder 'builds', because recovery and replay run the builds that ran. This one is gone, or "
     "is not what was kept. Bring the folder back; without it the log cannot be taken again.",
     NULL, NULL},
    {"HDE-R042", "a build cannot be kept",
     "A copy of the plugin file belongs beside the ingress log before the log may name the build, "
     "and cannot be written there, or the file changed in that moment. Nothing was started or swapped.",
     NULL, NULL},
    {"HDE-R043", "a build is blocked",
     "It was swapped in and crashed soon after, so the start after that went back to the build before "
     "it, and does not load this one again. 'hde reload --status' lists such builds.",
     "hde reload NODE", "hde reload NODE --force"},
    {"HDE-R044", "a shadow does not agree",
     "With --shadow the new build ran beside the old one, with a copy of its input. The text names "
     "the first output that differs: tick, field and both values (--tolerance says how much numbers "
     "may differ). It says so too where the new build refused or did not keep up, where nothing came "
     "out, and where a node touches the world, which cannot be done twice. The old build goes on.",
     NULL, NULL},
    {"HDE-R045", "the catalogue of builds cannot be read",
     "The file 'builds/catalogue' beside the ingress log says which plugin files were kept. It is "
     "damaged, or of another version of hde. Bring it back, or begin with another folder.",
     NULL, NULL},
    {"HDE-R046", "the engine crashes again and again",
     "hde run --supervise starts it again after a crash, with a pause that doubles, and gives up "
     "after --max-restarts crashes without a calm minute in between. The lines before this one name "
     "the node, its build and the message.",
     NULL, NULL},
    {"HDE-R050", "the running graph cannot be changed now",
     "It is not running any more, takes a log again, has as many requests waiting as it takes, or "
     "the file cannot be read. Nothing has changed.",
     NULL, NULL},
    {"HDE-R051", "a change needs a new start",
     "The name of the graph, skip_file, record: and checkpoint: are those of the start, and so are "
     "the links (`full: spill`, `durable: journal`) with the parts that they cut, what hosts: says of "
     "a host, and the room for counters (twice what the graph had, and some more). Drain the graph and "
     "run it anew. Over hosts with checkpoint: links and parts do change: all hosts stop for that.",
     NULL, NULL},
    {"HDE-R052", "a change would lose state",
     "A node that keeps state is removed, gets an operator that does not take its state, or other "
     "replicas though it cannot split its state by a key. 'hde plan' names each. A node that was "
     "only renamed says was: OLDNAME. Agree to the loss with --drop-state.",
     "hde apply new.yaml", "hde apply new.yaml --drop-state"},
    {"HDE-R054", "the graph did not come to its cut in time",
     "A change takes place between two ticks: every node has to come to the end of the one that it "
     "works on, sinks flush. One waits for its next try, or is in a call that does not return. The "
     "old graph runs on; 'hde status' says what waits for what. --timeout gives it more time.",
     NULL, "hde apply new.yaml --timeout 60s"},
    {"HDE-R055", "state or parameters were not taken over",
     "save() of an old instance, load() or seek() of a new one, or reconfigure() refused; the text "
     "is the operator's own. The old graph runs on.",
     NULL, NULL},
    {"HDE-R056", "there is nothing to roll back to",
     "The graph that runs is the one it was started with, or all changes were rolled back already. "
     "'hde history' shows them.",
     NULL, NULL},
    {"HDE-R057", "the graph that ran cannot be made again",
     "A log or a checkpoint says which graph ran, flattened and with its parameters. An operator of "
     "it is gone from the plugins, or does not take the parameters any more. Put the plugin back, or "
     "start with another store.",
     NULL, NULL},
    {"HDE-R090", "the dead-letter queue cannot be used",
     "Its folder holds something else, is damaged, cannot be written, or another process has it (a "
     "second run of the same graph). Give the graph a folder of its own with `dlq:`, or move the "
     "damaged one away.",
     NULL, "dlq: {path: refused, max_size: 256MiB}"},
    {"HDE-R091", "a node rejected a message",
     "The operator said that the message is bad. It went to the dead-letter queue with the reason; "
     "the graph goes on. 'hde dlq ls' lists what is there.",
     NULL, NULL},
    {"HDE-R092", "a message was given up after its retries",
     "The operator asked for it to be tried again until on_error allowed no more, and then says "
     "skip: it went to the dead-letter queue. 'hde dlq replay' feeds it again.",
     NULL, NULL},
    {"HDE-R093", "a message was skipped after a failure",
     "The operator failed on it and on_error says skip: it went to the dead-letter queue. "
     "'hde dlq replay' feeds it again.",
     NULL, NULL},
    {"HDE-R094", "a dead letter cannot be fed again",
     "The running graph has no such node or input any more, the input takes other messages, the node "
     "only shows (a view), the operator had taken the message before it refused it, or the graph is "
     "not ready. The letter stays in the queue.",
     NULL, NULL},
    {"HDE-R095", "no such dead letter",
     "The id is not in the queue (any more): it was fed again, dropped, or the queue was full. "
     "'hde dlq ls' lists what is there.",
     NULL, NULL},
    {"HDE-R060", "the process of an isolated node cannot be started",
     "A node with `isolate: process` runs its operator in a child process of hde. The program, a "
     "folder for its socket in /tmp, or what the child needs to connect is missing; the text says "
     "which.",
     "n: {op: folder/name, isolate: process}", NULL},
    {"HDE-R061", "an isolated process cannot be limited",
     "The child refuses to load the plugin without its limits (memory, system calls): the kernel "
     "has no seccomp filters, /proc is not mounted, or the parent has gone meanwhile.",
     NULL, NULL},
    {"HDE-R062", "an isolated process cannot make the operator",
     "The file that the graph was checked with has no such operator any more, or takes other "
     "parameters: it was replaced while the graph ran. Start the graph again.",
     NULL, NULL},
    {"HDE-R063", "a message was put aside: the operator did not survive it",
     "It killed the process of an isolated node twice, or the node was restarted on it more often "
     "than on_error allows. It went to the dead-letter queue with what was said of the death; the "
     "messages before and behind it were given.",
     NULL, NULL},
    {"HDE-R070", "frames of a link are gone",
     "After a restart the receiver of an edge with `full: spill` or `durable: journal` asks for what "
     "came after its last checkpoint, and the sender does not keep that any more. The receiver's "
     "folder in the checkpoint store is older than the sender's, or was removed. Put back the folders "
     "that belong together, or begin with another store.",
     NULL, NULL},
    {"HDE-R071", "the sender of a link is behind its receiver",
     "The receiver of an edge with `full: spill` or `durable: journal` has more than the sender has "
     "ever sent: the sender's folder in the checkpoint store is older than the receiver's, or was "
     "removed. Put back the folders that belong together, or begin with another store.",
     NULL, NULL},
    {"HDE-R072", "the journal of a link cannot be read",
     "A record in it is damaged, or holds another message than the edge carries: the graph was "
     "changed while the journal held something. `hde log verify FOLDER` names what is damaged.",
     NULL, NULL},
    {"HDE-R073", "the checkpoint store belongs to other parts",
     "Each part of a graph has checkpoints of its own, in a folder called after its first node. With "
     "other links, or another first node, a part would begin without its state. Run the graph as it "
     "was, or begin with another store.",
     NULL, NULL},
    {"HDE-R074", "this is not done over the parts of a graph",
     "The graph is cut by `full: spill` or `durable: journal`, and what was asked for is there for "
     "each part. Of the dead-letter queue: name a node (--node), or the folder of a part; of a "
     "log: name one of its parts.",
     NULL, NULL},
    {"HDE-R097", "another process has taken over",
     "A checkpoint store belongs to one run. Who starts the same graph again takes it over: the run "
     "before is told to stop, the new one waits until it has, and goes on from its log; nothing is "
     "lost or doubled. If the second start was a mistake, start the first again. 'hde run "
     "--no-takeover' refuses to start instead.",
     NULL, NULL},
    {"HDE-R100", "what is asked for was retired from the log",
     "log: {max_size, max_age} under checkpoint: or record: says how much of the ingress log is kept; "
     "older segments are deleted, never past the oldest epoch that is kept. A run is taken again from "
     "its start or from an epoch beside the log, so what lies before the oldest epoch cannot be "
     "computed any more, and without checkpoint: nothing can once the start is gone; 'hde log cat' "
     "still shows the entries that are left. With record: and checkpoint: together the epochs are in "
     "the store: copy its folder epochs beside the log. To keep more: a larger max_size, or "
     "checkpoint: {keep: N}. If a start says so, an epoch was put there that is older than the log: "
     "take that epoch away.",
     NULL, NULL},
    {"HDE-R180", "a graph with hosts is run one host at a time",
     "The graph has hosts:, and each machine runs what lies on it: 'hde run GRAPH --host NAME', with "
     "the same file everywhere. '--host all' runs everything in this process: edges between hosts "
     "are ordinary ones then, and nothing listens.",
     NULL, NULL},
    {"HDE-R182", "the secret key of a host is missing",
     "The graph has a public key for every host, so all that passes between them is encrypted, and a "
     "host proves who it is by the secret half of its pair. It stands in a file on that machine "
     "alone; --key FILE or HDE_KEY names it. 'hde keygen' makes a pair.",
     NULL, NULL},
    {"HDE-R183", "the keys of a host are no pair",
     "The secret key that was given is that of another public key than the graph has for this host: "
     "nobody would let it in. Put the right file there, or the new public key into the graph on all "
     "hosts.",
     NULL, NULL},
    {"HDE-R184", "the file of a secret key cannot be written",
     "'hde keygen FILE' makes a new file and never writes over one: the key of a host that is lost is "
     "lost. 'hde keygen --show FILE' prints the public key that goes with one that is there.",
     NULL, NULL},
    {"HDE-R140", "another process has got farther with this partition",
     "A sink of a shared stage has committed more than the state that this start took knows of: "
     "while it began, the process that had the partition before was not gone yet. Nothing was "
     "written. 'hde run --stage NAME' starts the partition again, from what was committed then.",
     NULL, NULL},
    {"HDE-R141", "the state of a partition is not where it is looked for",
     "Each commit of a shared stage names the state that belongs to it, a folder NUMBER in "
     "STORE/GRAPH.STAGE.PARTITION of the checkpoint store, and this process does not find it. The "
     "store has to be a folder that all processes of the stage share, such as one on NFS. Where it "
     "is lost for good, a stage begins anew under another name of the graph.",
     NULL, NULL},
    {"HDE-R210", "the graph's files differ between hosts",
     "A change over hosts is made from the graph file of each machine, under the same path, since each "
     "runs its own when it starts again. The text of the file, or of a chain that it includes, is not "
     "the same on the host that is named; nothing was changed. Put the same files on every machine, "
     "then apply. What differs by machine belongs into ${VARIABLES}.",
     NULL, NULL},
    {"HDE-R211", "a host that a change needs is away",
     "A change of a graph over hosts is made by all of them or by none, and led by the host that "
     "coordinator: names (the first one, if nobody is named). One of them is down, does not answer, or "
     "went away in the middle. Data flows on, and nothing was changed; 'hde status' shows who is up. "
     "Start the host, or take it out of the graph, and ask again.",
     NULL, "hde status --all"},
    {"HDE-R212", "another host leads changes",
     "Only the host that coordinator: names leads changes over hosts; the command line passes a request "
     "on to it. Hosts that name different coordinators were started with different files: start them "
     "with the same one.",
     NULL, NULL},
    {"HDE-R213", "a host was started anew in the middle of a change",
     "It was ready to make the change, and was started again before it heard that all were. It runs "
     "what its file says, as each start does; the others have made the change. 'hde plan FILE' shows "
     "whether anything is different now.",
     NULL, NULL},
    {"HDE-R214", "a decision about a change cannot be kept",
     "The coordinator writes into its checkpoint store that a change is made, before any host hears "
     "it. That failed, so nothing was changed. The text has the reason.",
     NULL, NULL},
    {"HDE-R215", "a host has not made a change that it was ready for",
     "All hosts were ready, and then this one failed at it, also when it tried again: a node did not "
     "come to the end of its tick, or a state was not taken over. The hosts that had made the change "
     "have gone back to the graph before, unless the text says otherwise: then 'hde rollback' or "
     "another 'hde apply' brings them together.",
     NULL, NULL},
    {"HDE-R216", "not all hosts can make a change",
     "Another host has refused, or was not ready in time, so this one stays as it is. 'hde history' on "
     "the coordinator names that host and its reason.",
     NULL, NULL},
    {"HDE-R230", "a savepoint over hosts was given up",
     "Every host writes its share, and one of them did not: it went down, a part has ended or did not "
     "come to its cut in time, or the coordinator is gone. The graph goes on, and nothing has changed. "
     "'hde status --all' shows all hosts.",
     NULL, NULL},
    {"HDE-R231", "this is led by the coordinator",
     "What concerns all hosts of a graph is led by the one that `coordinator:` names, else the first of "
     "hosts:, and every host passes such requests on to it. Two files differ in which one that is.",
     NULL, NULL},
    {"HDE-R232", "a savepoint is whole, and a host does not know it",
     "All shares are written, and the coordinator has the savepoint; the host in the text went down in "
     "that moment. There its share is the file '.NAME.NUMBER' in STORE/HOST/savepoints.",
     NULL, "hde savepoint import NAME GRAPH STORE/HOST/savepoints/.NAME.NUMBER --host HOST"},
    {"HDE-R233", "the line of a state cannot be read",
     "The file 'line' in the checkpoint store of a host says which savepoint over hosts its state goes "
     "back to. It is damaged: restore the savepoint again, or begin with another store.",
     NULL, NULL},
    {"HDE-R234", "nodes cannot be moved now",
     "Nodes go to other hosts in a graph with hosts: and checkpoint:, one move at a time, and none "
     "stays on a host that is named with --lost. 'hde plan --move' shows what a move would do. The graph "
     "goes on as it was.",
     NULL, "hde apply --move NODE=HOST"},
    {"HDE-R235", "the graph file is not what runs",
     "A move changes where nodes lie and nothing else, and every host makes it from its own graph file. "
     "Nodes, operators or edges of that one differ from what runs: 'hde plan GRAPH' shows how.",
     NULL, NULL},
    {"HDE-R236", "the state of a lost host is not here",
     "Nodes of a host that is lost go on from its last epochs, so the checkpoint store has to be a folder "
     "that all hosts share, such as one on NFS, under the same path. Without it start with another "
     "store.",
     NULL, NULL},
    {"HDE-R237", "what a lost host has not taken has no way",
     "An edge keeps frames for or from the lost host, and what goes over it goes other ways after the "
     "move. Move all nodes that one output sends to to the same host.",
     NULL, NULL},
    {"HDE-R238", "a host is not ready for a move of nodes",
     "It was in doubt about the move before, or begins anew because of it: some seconds. One that stays "
     "so does not reach the coordinator: 'hde status --all'.",
     NULL, NULL},
    {"HDE-R260", "replicas over hosts differ from those of the state",
     "What a store has of a node with host: [a, b] is the state of the replicas of one host, and "
     "what is on its links is for the replicas that there were. With another number of replicas, or "
     "of hosts, keys would be looked for where they are not. Start the graph as it was, and change it "
     "with 'hde apply' while all hosts run: they stop at one savepoint, and state goes where its keys "
     "go. Or begin with an empty store on every host.",
     NULL, "hde apply GRAPH"},
    {"HDE-R261", "hosts have other links already",
     "What runs on this host has other links than what runs on the coordinator, so the same change is "
     "not the same for both. 'hde plan GRAPH', asked of each host, shows what differs; start the host "
     "that differs with the graph of the others.",
     NULL, "hde plan GRAPH --graph NAME.HOST"},
    {"HDE-R280", "what a host remembers of the ends of its edges cannot be read",
     "STORE/through says of which edges to other hosts both ends are through, so that a host that comes "
     "back when others have left does not wait for them. The file is damaged. Without it nothing is lost: "
     "the host waits for the others until they run once more.",
     NULL, "rm STORE/HOST/through"},
    {"HDE-R281", "the coordinator is lost",
     "A host that is named with --lost is the coordinator, so another one has to lead: the one that "
     "coordinator: names in the graph file, which has to say so on every host before the move. The move is "
     "asked of that host. What the lost one had decided is found in its store; the graph goes on as it was.",
     "coordinator: serve", "hde apply --graph GRAPH.serve --move NODE=serve --lost calc"},
    {"HDE-R300", "nodes lie on a host that does not have what they had",
     "The checkpoint store of this host is empty or another one, and by what the other hosts go on from "
     "nodes were moved to it: they would begin with nothing, so it does not run them, and the others do "
     "not talk to it. Put its store back where it was, or let all hosts go back to a savepoint.",
     NULL, "hde savepoint restore NAME GRAPH --host HOST"},
    {NULL, NULL, NULL, NULL, NULL},
};
