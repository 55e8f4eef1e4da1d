"""Runs one job with DuckDB: python run_duckdb.py JOB INPUT OUTPUT FAILED LOOKUP THREADS"""
import sys
import duckdb

job, source, output, failed, lookup, threads = sys.argv[1:]
db = duckdb.connect()
db.execute(f"SET threads = {int(threads)}")

# Text as it is: one column, a delimiter that JSON can't hold, no quotes.
RAW = "(FORMAT csv, HEADER false, DELIMITER E'\\x01', QUOTE '', ESCAPE '')"

if job == "j1":
    db.execute(f"COPY (SELECT json FROM read_ndjson_objects('{source}')) TO '{output}' {RAW}")
elif job == "j2":
    columns = "{id: 'VARCHAR', type: 'VARCHAR', loc: 'STRUCT(site VARCHAR)', temperature: 'DOUBLE'}"
    db.execute(f"""
        COPY (SELECT id, loc.site AS site, temperature, temperature * 1.8 + 32 AS temp_f
              FROM read_ndjson('{source}', columns = {columns})
              WHERE type = 'sensor' AND temperature > 25) TO '{output}' (FORMAT json)""")
elif job == "j3":
    db.execute(f"CREATE TABLE devices AS SELECT id, owner, region FROM read_csv('{lookup}')")
    db.execute(f"""
        CREATE TABLE checked AS
        SELECT json, e.email AS email, owner, region,
               coalesce(json_type(e.id) = 'VARCHAR' AND json_type(e.ts) IN ('UBIGINT', 'BIGINT', 'DOUBLE') AND devices.id IS NOT NULL AND CASE e.type
                   WHEN 'sensor' THEN e.temperature BETWEEN -50 AND 60 AND e.humidity BETWEEN 0 AND 100
                   WHEN 'web' THEN e.status BETWEEN 100 AND 599 ELSE false END, false) AS good
        FROM (SELECT json, from_json(json, '{{"id":"JSON","ts":"JSON","type":"VARCHAR","device":{{"id":"VARCHAR"}},"temperature":"DOUBLE","humidity":"DOUBLE","status":"DOUBLE","email":"VARCHAR"}}') AS e
              FROM read_ndjson_objects('{source}'))
        LEFT JOIN devices ON devices.id = e.device.id""")
    db.execute(f"""
        COPY (SELECT json_merge_patch(json, json_object('email', email[1] || '***' || email[strpos(email, '@'):], 'owner', owner, 'region', region))
              FROM checked WHERE good) TO '{output}' {RAW}""")
    db.execute(f"COPY (SELECT json FROM checked WHERE NOT good) TO '{failed}' {RAW}")
else:
    sys.exit(f"unknown job {job}")
