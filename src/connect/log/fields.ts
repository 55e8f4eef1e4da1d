/** What the log source and the log sink ask for alike. */
import { field } from '../../engine/index.ts'

export const LOG_FIELDS = {
  log: field.string({ default: 'sluice-data', description: 'Folder of the log, or kafka://host:port[,host:port]' }),
}
