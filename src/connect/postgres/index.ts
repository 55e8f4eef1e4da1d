/** PostgreSQL: a table as a sink, and what is new in a table or a query as a source. */
export { postgresRows } from './rows-codec.ts'
export { postgresSink } from './sink.ts'
export { postgresSource } from './source.ts'
