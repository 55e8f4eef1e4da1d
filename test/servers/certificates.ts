/** Certificates that no service starts with. */
import { execFile } from 'node:child_process'
import { copyFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** An authority, and a certificate for localhost of it: `ca.pem` and `ca.key`, `server.pem` and `server.key`, as the services have them. */
export async function makeCertificates(folder: string): Promise<void> {
  const openssl = async (...args: readonly string[]): Promise<void> => void (await run('openssl', args, { cwd: folder }))
  await writeFile(join(folder, 'names'), 'subjectAltName=DNS:localhost')
  await openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30', '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=Test authority')
  await openssl('req', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=localhost')
  await openssl('x509', '-req', '-in', 'server.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '30', '-out', 'server.pem', '-extfile', 'names')
}

/** Puts a certificate for localhost that has expired beside that of a service: `expired.pem`, for the same key. */
export async function expire(folder: string): Promise<void> {
  await writeFile(join(folder, 'index.txt'), '')
  await writeFile(join(folder, 'serial'), '77')
  await writeFile(join(folder, 'expired.conf'), `[ca]
default_ca = own
[own]
dir = ${folder}
database = ${folder}/index.txt
serial = ${folder}/serial
new_certs_dir = ${folder}
default_md = sha256
policy = any
[any]
commonName = supplied
[names]
subjectAltName = DNS:localhost
`)
  await run('openssl', ['ca', '-batch', '-config', 'expired.conf', '-extensions', 'names', '-cert', 'ca.pem', '-keyfile', 'ca.key', '-startdate', '20200101000000Z', '-enddate', '20200201000000Z', '-in', 'server.csr', '-out', 'made.pem', '-notext'], { cwd: folder })
  await copyFile(join(folder, 'made.pem'), join(folder, 'expired.pem'))
}
