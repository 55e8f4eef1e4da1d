/** Redis: streams as source and sink. */
export { redisEntries } from './entries-codec.ts'
export { redisSink } from './sink.ts'
export { redisSource } from './source.ts'
