/**
 * The one registry of errors.
 *
 * Every error that a user can meet has a permanent code here, with what it means and what to do about it.
 * The reference page `docs/reference/errors.md` is generated from this table, and `sluice explain CODE` prints it.
 * A code is never reused or renamed. Each room keeps its block of codes together.
 */
import { withoutPasswords } from './secrets.ts'

export interface ErrorEntry {
  /** What happened, in one sentence. */
  readonly what: string
  /** The usual causes. */
  readonly why: string
  /** What the reader can do about it. */
  readonly cure: string
  /** True where the same call may succeed later without a change. */
  readonly retry: boolean
}

const entry = (what: string, why: string, cure: string, retry = false): ErrorEntry => ({ what, why, cure, retry })

export const ERRORS = {
  // base
  INTERNAL: entry(
    'Sluice met a state that its own code rules out.',
    'A fault in Sluice, not in the pipeline.',
    'Report it with the message, the pipeline and the version.',
  ),
  ABORTED: entry('The work was cancelled.', 'A signal, a deadline or the caller ended it.', 'Start it again when it should run.', true),
  TIMED_OUT: entry('A call took longer than its deadline.', 'The other side is slow, overloaded or gone.', 'Check the other side; raise the deadline if it is merely slow.', true),

  // engine
  PLAN_EMPTY: entry('The pipeline lacks a source or a sink.', 'A pipeline needs at least one of each.', 'Add what is missing.'),
  PLAN_ID_TWICE: entry('Two nodes have one id.', 'An id was given twice, or two stages of one type have none.', 'Give one of them another `id`.'),
  PLAN_UNKNOWN_NODE: entry('A node takes from another that does not exist.', 'A slip in `from`.', 'Name an id of a source, a stage or `stage.output`.'),
  PLAN_UNKNOWN_TYPE: entry('There is no component of that type.', 'A slip in the type name, or a plug-in that was not loaded.', 'See `sluice list`.'),
  PLAN_CYCLE: entry('Stages feed each other in a circle.', 'A `from` points back.', 'Take one of the edges away.'),
  STAGE_FAILED: entry('A stage could not work on an event.', 'The event is not what the stage expects, or the stage has a fault.', 'See the reason; the event is in the dead letters.'),
  STAGE_ANSWERS: entry('A stage did not answer each event exactly once.', 'A fault in the stage: it forgot an event, or answered it twice.', 'Mend the stage: emit, drop or reject each event once.'),
  STAGE_STOPPED: entry('A stage failed, and its `on_error` says stop.', 'See the reason.', 'Mend the event or the stage, or let `on_error` say dead_letter.'),
  SINK_RETRY: entry('A sink asks for another attempt.', 'The other side could not take the rows now.', 'Nothing, unless it lasts: then look at the other side.', true),
  SINK_REJECTED: entry('A sink refused a row for good.', 'The other side does not accept it.', 'See the reason; the event is in the dead letters.'),
  WORKER_CRASHED: entry('A worker thread ended by itself.', 'An error outside of any stage, or too little memory.', 'See the message; report it if no stage of yours is named.'),
  WORKER_STUCK: entry('A worker hangs or ended, and can\'t be started anew.', 'A stage of a plug-in or a function loops, waits without end, or ends its thread, and not at one event alone.', 'Mend the stage that is named; nothing is lost: with `state` or on a log the next run goes on from the last checkpoint.'),
  WORKER_KILLED: entry('A stage hung or ended its worker at this event.', 'The stage loops or uses up all memory on it.', 'Mend the stage, then feed the dead letters in again; raise `stall_timeout` if it is merely slow.'),
  TELEMETRY_CONFIG: entry('A variable of the environment asks for telemetry that can\'t be sent.', 'A slip in its value, or a protocol or exporter that is not here.', 'Set what the message says, or take the variable away; see docs/how-to/telemetry.md.'),
  ADMIN_LISTEN: entry('The admin server can\'t listen.', 'The port is taken, or the address is not one of this machine.', 'Name another address with `--admin`.'),
  ADMIN_ANSWER: entry('The admin server of a pipeline does not answer as it should.', 'The address is wrong, the pipeline does not run, was started without `--admin`, or wants a token.', 'Start the pipeline with `--admin HOST:PORT`, and set SLUICE_ADMIN_TOKEN as it has it.', true),
  TAP_UNKNOWN: entry('There is nothing to be tapped there.', 'A slip in the name, a side that the component does not have, or a rate that is too high.', 'See the message; `sluice top` shows the names.'),
  TAP_TOO_MANY: entry('Too many taps are open.', 'Each costs a little time of the workers.', 'Close one of them.', true),
  RELOAD_NEEDS_RESTART: entry('A change of the config can\'t be made while the pipeline runs.', 'It changes the name, the state or where output is committed.', 'Stop the pipeline and start it again.'),
  RELOAD_LATE: entry('A reload was given up: not everything had landed in time.', 'A sink is slow or gone.', 'The old config goes on. Look at the sink, or raise `stop_timeout`; then reload again.', true),
  RELOAD_FAILED: entry('A new config could not be taken up.', 'See the message.', 'See the message.'),
  RELOAD_OVER: entry('The pipeline is stopping.', 'The config came too late.', 'It is taken at the next start.'),
  SCALE_THREADS: entry('The number of workers can\'t be changed.', 'The run has no threads: its components live in the program that started it.', 'Start the pipeline from its file.'),
  SCALE_BUSY: entry('The number of workers is being changed already.', 'Somebody else asked, or the pipeline follows its load.', 'Ask again in a moment.', true),
  SCALE_FAILED: entry('A worker could not be started.', 'See the message.', 'What runs goes on as it was; see the message.'),
  STOP_TIMEOUT: entry('The drain took longer than `stop_timeout`.', 'A sink is slow or gone.', 'Nothing is lost with `state`; raise `stop_timeout` if the sink is merely slow.'),
  RECORD_TOO_LONG: entry('A record is longer than the limit.', 'The input is not what the format says, or has very long lines.', 'Check the format; raise the limit if the record is right.'),
  JSON_SYNTAX: entry('A record is not JSON.', 'A broken line, or input in another format.', 'See the position; the bytes are in the dead letters.'),
  JSON_ENCODING: entry('A record is not UTF-8.', 'Input in another encoding.', 'Convert the input to UTF-8.'),

  // pipeline
  CONFIG_SYNTAX: entry('The config is not well-formed YAML.', 'Wrong indentation, a missing quote or colon.', 'See the place.'),
  CONFIG_VALUE: entry('A value in the config is not what is wanted there.', 'A slip, or a value of another kind.', 'See the place and what is expected; `sluice list` shows every field.'),
  CONFIG_UNKNOWN_FIELD: entry('The config has a field that nothing reads.', 'A slip in the name, or a field of another component.', 'See `sluice list`, or the suggestion.'),
  CONFIG_MISSING_FIELD: entry('A field that must be given is missing.', 'The component can\'t guess it.', 'Add it.'),
  CONFIG_UNKNOWN_TYPE: entry('There is no component of that type.', 'A slip in the name.', 'See `sluice list`.'),
  CONFIG_REFERENCE: entry('The config names a node or template that does not exist.', 'A slip in `from`, or a node that was renamed.', 'Name an existing id.'),
  CONFIG_VARIABLE: entry('A ${...} in the config has no value.', 'The environment variable or file is missing.', 'Set it, or give a default: ${NAME:default}.'),
  CONFIG_FILE: entry('A file that the config names can\'t be read.', 'It is not there, or may not be read.', 'Check the path; it is resolved against the folder of the pipeline.'),
  CONFIG_ID_TWICE: entry('Two sources or stages have one id.', 'An id was given twice.', 'Give one of them another id.'),
  CONFIG_CYCLE: entry('Parts of the config lead in a circle.', 'A `from`, an `include` or a template points back.', 'Take one of the steps away.'),
  CONFIG_LIMIT: entry('The config is larger than is allowed.', 'It was generated, or aliases, includes or templates multiply it.', 'Make it smaller; one pipeline has room for thousands of stages.'),
  CONFIG_REPLACES: entry('A sink replaces at each start what was written for senders that were told it is safe.', 'The sink\'s mode is overwrite, and the pipeline has no state.', 'Let the sink append, or give the pipeline a `state`.'),
  CONFIG_AT_LEAST_ONCE: entry('A sink may get events twice after a crash.', 'It can neither go back to a checkpoint nor join a transaction.', 'Let the receiver drop repeats by an id, or write to a file.'),
  PLUGIN_LOAD: entry('A plug-in can\'t be loaded.', 'It is not there, or its code fails when it is loaded.', 'Check the path, install the package, or mend the module; the message names the place.'),
  PLUGIN_EXPORTS: entry('A plug-in does not export what a plug-in should.', 'It exports nothing that a define call made, or a declaration lacks a part.', 'Export what defineSource, defineStage, defineSink, defineCodec or defineFunction returns.'),
  PLUGIN_NAME_TAKEN: entry('A plug-in brings a component or function under a name that is taken.', 'Sluice or another plug-in has one of that name.', 'Give it another name, with the plug-in\'s own name in front.'),
  PLUGIN_VERSION: entry('A plug-in was made for another version of Sluice.', 'Its package.json asks for one in peerDependencies.', 'Install a version of the plug-in, or of Sluice, that fits.'),
  CONFIG_UNUSED: entry('A part of the pipeline leads nowhere.', 'Nothing takes its output.', 'Add a sink, or name the output in `from`.'),

  // log
  LOG_LOCKED: entry('The folder of the log is in use by another process.', 'Two processes would write the same files.', 'Stop the other one, or use another folder.'),
  LOG_FORMAT: entry('A file of the log is of a version that this program does not know, or is not a file of a log.', 'It was written by a newer version, or put there by hand.', 'Use the newer version; nothing was changed.'),
  LOG_UNKNOWN_TOPIC: entry('There is no such topic or partition.', 'A slip in the name, or it was deleted.', 'See the topics with `sluice topic list`, or create it.'),
  LOG_TOPIC_EXISTS: entry('A topic of that name is there already.', 'It was created before.', 'Use it, or choose another name.'),
  LOG_TOPIC_NAME: entry('That is not a name for a topic.', 'It is empty, too long, or has other characters than letters, digits, dot, dash and underscore.', 'Choose another name.'),
  LOG_SETTING: entry('A setting of a topic is not possible.', 'A value out of range, or one that this log does not have.', 'See the message.'),
  LOG_OFFSET_OUT_OF_RANGE: entry('An offset lies outside of what the partition holds.', 'Retention deleted the records, or the topic was made anew.', 'Start from `earliest` or `latest`, or reset the offsets of the group.'),
  LOG_BATCH_TOO_LARGE: entry('A record or batch is larger than the topic takes.', 'A very large record, or a small limit.', 'Raise the topic\'s limit, or make the record smaller.'),
  LOG_RECORD: entry('A record can\'t be written as it is.', 'Its timestamp is no whole number of milliseconds, or lies beyond 2^52.', 'Correct the record; nothing of it was written.'),
  LOG_CORRUPT: entry('A record batch is damaged.', 'The disk or a program changed bytes, or the sender made a mistake.', 'The rest stays readable; see the quarantined offsets, and restore them from a copy if you have one.'),
  LOG_STOPPED: entry('A partition takes no more records.', 'A sync to disk failed: what the disk holds is unknown.', 'Look at the disk, then open the log anew; nothing acknowledged is lost unless the disk lost it.'),
  LOG_DISK_FULL: entry('There is no room on the disk.', 'The disk is full, or a quota is used up.', 'Make room; what waits goes on by itself, in order. A transaction that has waited for five minutes is given up: the run ends, and the next one goes on from the last checkpoint.', true),
  LOG_READ_ONLY: entry('The folder of the log can\'t be written.', 'It is mounted read-only, or the permissions changed.', 'Make it writable; nothing was changed.', true),
  LOG_SEQUENCE: entry('Batches of a producer came out of order.', 'A batch before this one was lost, or two processes use one producer id.', 'Close the producer and make a new one; send again what was not acknowledged.'),
  LOG_FENCED: entry('A newer producer or member took over.', 'A second process has the same transactional id, or the group gave the partitions away.', 'Stop the older one; it may not write any more.'),
  LOG_TRANSACTION_STATE: entry('That can\'t be done in this state of the transaction.', 'No transaction is open, one is open already, or it was aborted by its timeout.', 'Abort, begin a new transaction and do the work again.'),
  LOG_GROUP_BUSY: entry('The group has members.', 'Somebody reads with it now.', 'Stop the members first.'),
  LOG_GROUP_REBALANCE: entry('The group is being shared out anew.', 'A member came or went.', 'Nothing: the member joins again by itself.', true),
  LOG_CONNECT: entry('A broker could not be reached.', 'It is down, the address or port is wrong, or a firewall is between.', 'Check the address; the call is tried again.', true),
  LOG_TLS: entry('The encrypted connection to a broker could not be made.', 'The certificate is not trusted, is for another name, or the port does not speak TLS.', 'See the message.'),
  LOG_AUTH: entry('A broker refused the login.', 'Wrong user, password, token or mechanism.', 'See the message; check the user and its mechanism at the broker.'),
  LOG_DENIED: entry('The broker does not allow that to this user.', 'A missing permission (ACL).', 'Ask for the permission that the message names.'),
  LOG_UNSUPPORTED: entry('This log can\'t do that.', 'The adapter or the version of the broker lacks it.', 'See the message.'),
  LOG_BROKER: entry('A broker answered with an error.', 'See the message.', 'See the message.', true),
  LOG_CLOSED: entry('The log, producer or consumer is closed.', 'It was closed before the call.', 'Open a new one.'),

  // connect
  REDIS_CONNECT: entry('Redis could not be reached.', 'It is down, the address or port is wrong, or a firewall is between.', 'Check `url`; the call is tried again.', true),
  REDIS_TLS: entry('The encrypted connection to Redis could not be made.', 'The certificate is not trusted, has expired or is for another name, or the port does not speak TLS.', 'See the message.'),
  REDIS_AUTH: entry('Redis refused the login.', 'Wrong user or password, or none was given.', 'Check `username` and `password`.'),
  REDIS_DENIED: entry('Redis does not allow that to this user.', 'A missing permission (ACL).', 'Give the user the command and the key that the message names.'),
  REDIS_TYPE: entry('A key of Redis holds something that is no stream.', 'The name is used for something else.', 'Take another name, or remove the key.'),
  REDIS_GROUP: entry('A consumer group of Redis is gone.', 'Somebody destroyed it, or the server lost its data.', 'Nothing: the source makes it anew at the start of the stream.', true),
  REDIS_BUSY: entry('Redis can\'t do that now.', 'It is starting, out of memory, a replica, or can\'t write to its disk.', 'See the message; the call is tried again.', true),
  REDIS_REPLY: entry('Redis answered with an error.', 'See the message.', 'See the message.'),
  AMQP_CONNECT: entry('An AMQP broker could not be reached.', 'It is down, the address or port is wrong, or a firewall is between.', 'Check `url`; the call is tried again.', true),
  AMQP_TLS: entry('The encrypted connection to an AMQP broker could not be made.', 'The certificate is not trusted, has expired or is for another name, or the port does not speak TLS.', 'See the message.'),
  AMQP_AUTH: entry('An AMQP broker refused the login.', 'Wrong user or password.', 'Check `username` and `password`.'),
  AMQP_DENIED: entry('An AMQP broker does not allow that to this user.', 'A missing permission, or a virtual host that is not there.', 'Give the user the permission that the message names.'),
  AMQP_MISSING: entry('A queue or exchange of an AMQP broker is not there.', 'A slip in the name, or it has not been made yet.', 'Check the name, or make it.'),
  AMQP_SETTING: entry('A queue of an AMQP broker has other settings than asked for.', 'Somebody made it with another type.', 'Leave `create` out, or name the type that it has.'),
  AMQP_FULL: entry('An AMQP broker did not take a message.', 'The queue is full, or has no leader just now.', 'Let somebody read from it, or raise its limits; it is tried again.', true),
  AMQP_REPLY: entry('An AMQP broker answered with an error.', 'See the message.', 'See the message.'),
  MQTT_CONNECT: entry('An MQTT broker could not be reached.', 'It is down, the address or port is wrong, or a firewall is between.', 'Check `url`; the call is tried again.', true),
  MQTT_TLS: entry('The encrypted connection to an MQTT broker could not be made.', 'The certificate is not trusted, has expired or is for another name, or the port does not speak TLS.', 'See the message.'),
  MQTT_AUTH: entry('An MQTT broker refused the login.', 'Wrong user or password, or none was given.', 'Check `username` and `password`.'),
  MQTT_DENIED: entry('An MQTT broker does not allow that to this user.', 'A missing permission (ACL).', 'Give the user the permission that the message names.'),
  MQTT_TAKEN: entry('Another client has taken over the session at an MQTT broker.', 'Two clients have the same id.', 'Give each a `client_id` of its own.'),
  MQTT_TOPIC: entry('An MQTT broker refuses a topic.', 'It is malformed, or not allowed there.', 'Check `topic`.'),
  MQTT_REPLY: entry('An MQTT broker answered with an error.', 'See the message.', 'See the message.'),
  NATS_CONNECT: entry('NATS could not be reached.', 'It is down, the address or port is wrong, or a firewall is between.', 'Check `servers`; the call is tried again.', true),
  NATS_TLS: entry('The encrypted connection to NATS could not be made.', 'The certificate is not trusted, has expired or is for another name, or the server does not speak TLS.', 'See the message.'),
  NATS_AUTH: entry('NATS refused the login.', 'Wrong user, password, token or credentials, or none was given.', 'Check the login.'),
  NATS_DENIED: entry('NATS does not allow that to this user.', 'A missing permission.', 'Give the user the permission that the message names.'),
  NATS_JETSTREAM: entry('NATS has no JetStream.', 'It is not switched on for the server or for the account.', 'Switch it on in the server\'s config.'),
  NATS_STREAM: entry('There is no such stream at NATS, or none for the subject.', 'A slip in the name, or it has not been made yet.', 'Check the name, or make the stream.'),
  NATS_CONSUMER: entry('A consumer of NATS is gone, or of another kind.', 'Somebody deleted it, or made one of that name for something else.', 'See the message.'),
  NATS_SUBJECT: entry('That is no subject to publish to.', 'It is empty, or has blanks or wildcards.', 'Check `subject`.'),
  NATS_FULL: entry('A stream of NATS has no room.', 'Its limits or those of JetStream are reached.', 'Raise the limits, or let the stream keep less; it is tried again.', true),
  NATS_SILENT: entry('NATS is there, but does not keep a message.', 'The disk of the server is full, the stream has failed, or the server has too much to do: it tells nobody but its log.', 'Make room and start the server again; it is tried again until then.', true),
  NATS_REPLY: entry('NATS answered with an error.', 'See the message.', 'See the message.'),
  S3_CONNECT: entry('The object store could not be reached.', 'It is down, the address or region is wrong, or a firewall is between.', 'Check `endpoint` and `region`; the call is tried again.', true),
  S3_TLS: entry('The encrypted connection to the object store could not be made.', 'The certificate is not trusted, has expired or is for another name, or the port does not speak TLS.', 'See the message.'),
  S3_AUTH: entry('The object store refused the credentials, or there are none.', 'A wrong key, secret, token or region, or none was given.', 'See the message; check the credentials.'),
  S3_DENIED: entry('The object store does not allow that.', 'A missing permission.', 'Give the user or role the permission that the message names.'),
  S3_BUCKET: entry('The bucket is not there, or elsewhere.', 'A slip in the name, or another region or server.', 'Check `bucket`, `region` and `endpoint`, or make the bucket.'),
  S3_BUSY: entry('The object store can\'t do that now.', 'It is starting, overloaded, or limits the requests.', 'Nothing: the call is tried again. Where it lasts, let `uploads` or the number of keys be lower.', true),
  S3_GONE: entry('An object, or an upload that a checkpoint counts on, is gone.', 'Somebody removed it, or a lifecycle rule did.', 'See the message.'),
  S3_CHANGED: entry('An object was replaced while it was read.', 'Another program wrote it anew.', 'Let objects have names of their own; what was read of the old one stays.'),
  S3_REPLY: entry('The object store answered with an error.', 'See the message.', 'See the message.'),
  NOTIFY_FAILED: entry('Results could not be told to a topic or webhook within `deadline`.', 'The broker or server is down, refuses the messages, or the address is wrong.', 'See the message; mend the other side and start again. With `state` nothing is left out.'),
  POSTGRES_CONNECT: entry('PostgreSQL could not be reached.', 'It is down, the address or port is wrong, or a firewall is between.', 'Check `url`; the call is tried again.', true),
  POSTGRES_TLS: entry('The encrypted connection to PostgreSQL could not be made.', 'The certificate is not trusted, has expired or is for another name, or the server takes no TLS.', 'See the message.'),
  POSTGRES_AUTH: entry('PostgreSQL refused the login.', 'Wrong user or password, or the server\'s pg_hba.conf does not let this machine in.', 'Check `username` and `password`; see the message.'),
  POSTGRES_DENIED: entry('PostgreSQL does not allow that to this user.', 'A missing permission.', 'Ask for the permission that the message names (GRANT).'),
  POSTGRES_MISSING: entry('A database, schema, table or column of PostgreSQL is not there.', 'A slip in the name, or it has not been made yet.', 'Check the name; capital letters count.'),
  POSTGRES_KEY: entry('The table has no unique key over these columns.', '`key` names columns that no primary key, unique constraint or unique index covers.', 'Make one, or name the columns of one that is there.'),
  POSTGRES_ROW: entry('PostgreSQL refused a row.', 'A value does not fit its column, or breaks a constraint.', 'See the reason; the event is in the dead letters.'),
  POSTGRES_BUSY: entry('PostgreSQL can\'t do that now.', 'It is starting or stopping, a replica, out of room or connections, or another transaction is in the way.', 'See the message; the call is tried again.', true),
  POSTGRES_LOST: entry('An open transaction of PostgreSQL was lost.', 'The connection broke, or another run of the same pipeline has taken over.', 'Start the pipeline again: it goes on from the last commit, and nothing is lost or doubled.'),
  POSTGRES_REPLY: entry('PostgreSQL answered with an error.', 'See the message.', 'See the message.'),
  FILE_MISSING: entry('A file is not there.', 'A slip in the path, or it has not been made yet.', 'Check the path; it is resolved against the folder of the pipeline.'),
  FILE_CHANGED: entry('A file is not the one that was read before.', 'It was replaced or cut while the pipeline stood still.', 'Put the file back, or move the state folder away to start anew.'),
  FILE_READ: entry('A file could not be read.', 'The disk, the permissions, or a broken compressed file.', 'See the message.', true),
  FILE_WRITE: entry('A file could not be written.', 'The disk is full, or the permissions do not allow it.', 'Make room or mend the permissions; the write is tried again.', true),
  FILE_MARK: entry('An output file is shorter than its checkpoint says.', 'Another program cut or replaced it.', 'Restore the file, or move it and the state folder away to start anew.'),
  OUTPUT_CLOSED: entry('Nobody reads the output any more.', 'A reader such as head has seen enough, or ended.', 'Let the reader read to the end, or write to a file.'),
  PATH_ESCAPE: entry('A path made from an event leads out of its folder, or is too long.', 'A value holds .. or a separator, or is very long.', 'Clean the value, or use another field.'),
  CSV_SYNTAX: entry('A record is not CSV as configured.', 'Wrong delimiter or quotes, or too many or too few fields.', 'Check `delimiter`, `quote` and the header.'),
  HTTP_STATUS: entry('A server answered with an error.', 'See the status.', 'See the message.'),
  HTTP_PRIVATE: entry('A request would go into a private network.', 'A name, a redirect or a link leads to an address such as 10.1.2.3 or 169.254.169.254.', 'If that is meant, name the host, address or subnet under `private_hosts`.'),
  HTTP_FAILED: entry('A server could not be reached.', 'It is down, or the address is wrong.', 'Check the URL; the call is tried again.', true),
  COMMAND_FAILED: entry('A command ended with an error.', 'See its exit code.', 'Run it by hand.'),
  SOURCE_FORMAT: entry('A source can\'t read this format.', 'The format is for writing only, or does not fit the source.', 'Choose another `format`.'),

  // stages
  VALIDATE_FAILED: entry('An event does not satisfy the rules.', 'See the reason.', 'Mend the event or the rule; the event is in the dead letters.'),
  FIELD_TYPE: entry('A field has another type than a stage needs.', 'See the reason.', 'Convert it before, or filter such events out.'),
  ENRICH_MISSING: entry('A look-up found nothing.', 'The table does not have the key.', 'Add the key, or set `on_missing: null`.'),
  PARSE_FAILED: entry('A text does not have the form that is wanted.', 'A line of another kind.', 'See the reason; the event is in the dead letters.'),
  MODULE_FAILED: entry('A module could not be loaded, or its function failed.', 'See the message.', 'Mend the module.'),

  // event
  COLUMNS_ROOM: entry(
    'The memory of the columns is full.',
    'A table or a program needs more room than the column memory of a worker has.',
    'Use a smaller table, or leave the pipeline on the object path.',
  ),
  // expr
  EXPR_SYNTAX: entry('An expression is not well formed.', 'A slip in the expression.', 'See the place; `sluice try` evaluates an expression by itself.'),
  EXPR_LIMIT: entry('An expression is too long or too deep.', 'It was generated, or should be a stage of its own.', 'Split it, or write a `module` stage.'),
  EXPR_UNKNOWN_FUNCTION: entry('An expression calls a function that does not exist.', 'A slip in the name, or a function of another dialect.', 'See docs/reference/cel.md.'),
  EXPR_UNKNOWN_NAME: entry('An expression reads a name that does not exist.', 'Fields stand below `event`: write event.a, not a.', 'The names are event, key, headers, time and position.'),
  EXPR_TYPE: entry('An expression has the wrong type.', 'It compares or combines what does not fit, or yields what is not wanted here.', 'Convert with int(), double() or string().'),
  EXPR_UNKNOWN_FIELD: entry('An expression reads a field that the schema does not know.', 'A slip in the name, or a schema that is out of date.', 'Mend the name or the schema.'),
  EXPR_MISSING_FIELD: entry('An event lacks a field that an expression reads.', 'Not every event has it.', 'Ask has(event.a) first, or read event.?a.orValue(...).'),
  EXPR_NO_OVERLOAD: entry('An operator or function does not take values of these types.', 'A field holds another type than expected.', 'Convert it, or check the type first.'),
  EXPR_OVERFLOW: entry('A number or time does not fit its type.', 'The result is too large.', 'Use double() or smaller numbers.'),
  EXPR_DIVIDE: entry('Division by zero.', 'The divisor is 0.', 'Check it first: b != 0 ? a / b : 0.'),
  EXPR_INDEX: entry('A list has no item at that place.', 'The list is shorter.', 'Check size() first, or use list[?0].'),
  EXPR_DUPLICATE_KEY: entry('A key comes twice in a map.', 'Two entries have equal keys.', 'Take one away.'),
  EXPR_CONVERT: entry('A value can\'t be converted.', 'The text does not have the form that is wanted.', 'Check it with matches() first.'),
  EXPR_ARGUMENT: entry('A function does not take this value.', 'It is out of its range.', 'See docs/reference/cel.md.'),
  FUNCTION_FAILED: entry('A function of a plug-in failed.', 'It threw an error, or returned what it does not declare.', 'See the reason; mend the function, or check the value before.'),
  EXPR_COST: entry('An expression costs too much for one event.', 'It loops over a very large list or text.', 'Make it cheaper, or split the event first.'),

  // state
  ACK_TWICE: entry('A batch was acknowledged twice.', 'A fault in Sluice or in a plug-in.', 'Report it.'),
  STATE_LOCKED: entry('The state folder is in use.', 'Another process runs a pipeline with the same `state`.', 'Stop the other one, or use another folder.'),
  STATE_CORRUPT: entry('The checkpoints are damaged.', 'The disk or another program changed the file.', 'Restore the folder from a copy, or move it away to start anew.'),
  STATE_FAILED: entry('A checkpoint could not be written.', 'The disk is full, read-only or failing.', 'Mend the disk and start again: the run goes on from the last checkpoint.'),
  STATE_VERSION: entry('The checkpoints are of a newer version.', 'A newer Sluice wrote them.', 'Use that version.'),
  STATE_OTHER_PIPELINE: entry('The state folder belongs to another pipeline.', 'Two pipelines name one `state` folder, or the pipeline was renamed.', 'Give each its own folder; rename it back, or move the folder away to start anew.'),

  // cli
  CLI_USAGE: entry('The command line is not complete or not understood.', 'An argument is missing, or a value is not what is wanted.', 'See `sluice COMMAND --help`.'),
  CLI_UNKNOWN_COMMAND: entry('There is no such command.', 'A slip in the name.', 'See `sluice --help`.'),
  CLI_UNKNOWN_OPTION: entry('There is no such option.', 'A slip in the name, or an option of another command.', 'See `sluice COMMAND --help`.'),
  CLI_UNKNOWN_CODE: entry('There is no such error code.', 'A slip in the code.', 'See `sluice explain` for all codes.'),
  CLI_UNKNOWN_COMPONENT: entry('There is no such component.', 'A slip in the name.', 'See `sluice list`.'),
  CLI_FILE_EXISTS: entry('A file is there already and was not overwritten.', 'The command was run before, or in the wrong folder.', 'Choose another name or folder, or give --force where the command has it.'),
  CLI_FILE_MISSING: entry('A file named on the command line can\'t be read.', 'A slip in the path.', 'Check the path; it is resolved against the current folder.'),
  CLI_INPUT: entry('What was read is not JSON.', 'Another format, or a broken file.', 'Give one JSON value, or one per line.'),
} as const satisfies Record<string, ErrorEntry>

export type ErrorCode = keyof typeof ERRORS

/** Extra facts about one error: the cause, and where it happened. */
export interface ErrorDetails {
  readonly cause?: unknown
  /** Where it happened: a stage id, a file and line, a URL. */
  readonly place?: string
  /** Overrides the registry's `retry` where this case differs. */
  readonly retry?: boolean
  /** True where the run must end: leaving single events out would not put it right. */
  readonly stops?: boolean
}

/** The error that every room throws. `message` tells what happened here; `ERRORS[code]` tells what it means in general. */
export class SluiceError extends Error {
  readonly code: ErrorCode
  readonly retry: boolean
  readonly place: string | undefined
  readonly stops: boolean

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    // Other libraries quote the addresses that they were given, and so may messages that quote them.
    super(withoutPasswords(message), details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'SluiceError'
    this.code = code
    this.retry = details.retry ?? ERRORS[code].retry
    this.place = details.place
    this.stops = details.stops ?? false
  }
}
