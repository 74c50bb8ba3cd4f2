BEGIN TRANSACTION;
CREATE TABLE codes (
        id        INTEGER PRIMARY KEY,
        person    TEXT NOT NULL,
        code      TEXT NOT NULL,
        words     TEXT NOT NULL,
        receipt   TEXT NOT NULL,
        created   REAL NOT NULL,
        expires   REAL NOT NULL,
        tries     INTEGER NOT NULL DEFAULT 0,
        state     TEXT NOT NULL              -- waiting | used | cancelled | spent
    );
INSERT INTO "codes" VALUES(1,'ann','4711','["firmware", "lamp", "1.5.6"]','81bbc0ffee00c0ff',1793000090.0,1793000390.0,0,'waiting');
CREATE TABLE conditions (
        name      TEXT PRIMARY KEY,          -- door.imap, post, module.FILE ...
        ok        INTEGER NOT NULL,
        text      TEXT NOT NULL,
        since     REAL NOT NULL
    ) WITHOUT ROWID;
INSERT INTO "conditions" VALUES('door.imap',0,'connection refused',1793000010.0);
CREATE TABLE events (
        id        INTEGER PRIMARY KEY,
        at        REAL NOT NULL,
        kind      TEXT NOT NULL,
        text      TEXT NOT NULL,
        data      TEXT NOT NULL DEFAULT '{}'
    );
INSERT INTO "events" VALUES(1,1793000000.0,'started','version 0.1.0','{}');
INSERT INTO "events" VALUES(2,1793000010.0,'door-trouble','connection refused','{}');
CREATE TABLE jobs (
        id        INTEGER PRIMARY KEY,
        person    TEXT NOT NULL,
        text      TEXT NOT NULL,
        due       REAL NOT NULL,
        every     TEXT,                      -- NULL: once
        receipt   TEXT NOT NULL,             -- who asked, where and how
        created   REAL NOT NULL,
        state     TEXT NOT NULL              -- waiting | done | missed | cancelled
    );
INSERT INTO "jobs" VALUES(1,'ann','["plug", "lamp", "off"]',1793007200.0,NULL,'7f3ac0ffee00c0ff',1793000001.0,'waiting');
INSERT INTO "jobs" VALUES(2,'ann','["weather"]',1793027000.0,'every day 7:00','7f3ac0ffee00c0ff',1793000001.0,'waiting');
CREATE TABLE keys (
        key       TEXT PRIMARY KEY,
        receipt   TEXT NOT NULL,
        at        REAL NOT NULL
    ) WITHOUT ROWID;
INSERT INTO "keys" VALUES('id:<32570@example.org>','7f3ac0ffee00c0ff',1793000000.0);
INSERT INTO "keys" VALUES('id:<33211@example.org>','81bbc0ffee00c0ff',1793000060.0);
INSERT INTO "keys" VALUES('id:<37580@example.org>','92ccc0ffee00c0ff',1793000120.0);
INSERT INTO "keys" VALUES('id:<41949@example.org>','a3ddc0ffee00c0ff',1793000180.0);
CREATE TABLE pages (
        person    TEXT PRIMARY KEY,
        rest      TEXT NOT NULL,             -- JSON list of texts still to send
        at        REAL NOT NULL
    ) WITHOUT ROWID;
INSERT INTO "pages" VALUES('ann','["page two", "page three"]',1793000072.0);
CREATE TABLE people_off (
        person    TEXT PRIMARY KEY,
        at        REAL NOT NULL
    ) WITHOUT ROWID;
INSERT INTO "people_off" VALUES('bo',1793000300.0);
CREATE TABLE readings (
        module    TEXT NOT NULL,
        series    TEXT NOT NULL,
        at        REAL NOT NULL,
        value     REAL NOT NULL,
        PRIMARY KEY (module, series, at)
    ) WITHOUT ROWID;
INSERT INTO "readings" VALUES('energy','lamp',1793000000.0,40.2);
INSERT INTO "readings" VALUES('energy','lamp',1793000060.0,40.1);
CREATE TABLE receipts (
        id        TEXT PRIMARY KEY,          -- 16 hex digits, the id in the file name
        file      TEXT NOT NULL,             -- the name for life
        arrived   REAL NOT NULL,             -- seconds since 1970, the door's clock
        door      TEXT NOT NULL,
        kind      TEXT NOT NULL DEFAULT '',
        person    TEXT,
        sender    TEXT,
        proof     TEXT NOT NULL DEFAULT '',
        verdict   TEXT NOT NULL DEFAULT '',  -- run | confirm | refuse | ignore
        reason    TEXT,
        calls     TEXT NOT NULL DEFAULT '[]',
        sent      REAL,
        reply_to  TEXT,
        thread    TEXT NOT NULL DEFAULT '{}',
        checks    TEXT NOT NULL DEFAULT '{}',
        state     TEXT NOT NULL,             -- waiting | started | executed | refused | failed
        tries     INTEGER NOT NULL DEFAULT 0,
        next_try  REAL
    ) WITHOUT ROWID;
INSERT INTO "receipts" VALUES('7f3ac0ffee00c0ff','20261026T040000.032570-7f3ac0ffee00c0ff.eml',1793000000.0,'smtp','google-voice','ann','+13035550123','signed','run',NULL,'[["plug", "lamp", "on"]]',1792999997.0,'13035550100.13035550123.3f79dce61f@txt.voice.google.com','{"subject": "New text message from (303) 555-0123", "in_reply_to": "<1@txt.voice.google.com>", "references": []}','{"dkim": "pass"}','executed',0,NULL);
INSERT INTO "receipts" VALUES('81bbc0ffee00c0ff','20261026T040000.033211-81bbc0ffee00c0ff.eml',1793000060.0,'smtp','mail','ann','ann@example.org','login','run',NULL,'[["ping", "router"], ["uptime"]]',NULL,NULL,'{}','{}','executed',0,NULL);
INSERT INTO "receipts" VALUES('92ccc0ffee00c0ff','20261026T040000.037580-92ccc0ffee00c0ff.eml',1793000120.0,'smtp','mail',NULL,'x@example.net','claimed','refuse','stranger','[]',NULL,NULL,'{}','{}','refused',0,NULL);
INSERT INTO "receipts" VALUES('a3ddc0ffee00c0ff','20261026T040000.041949-a3ddc0ffee00c0ff.eml',1793000180.0,'smtp','google-voice','bo',NULL,'','','later','[]',NULL,NULL,'{}','{"later": "DNS"}','waiting',0,1793000240.0);
CREATE TABLE replies (
        id         INTEGER PRIMARY KEY,
        receipt    TEXT,
        person     TEXT NOT NULL,
        kind       TEXT NOT NULL,            -- reply | follow-up | alert | challenge
        address    TEXT,                     -- NULL: no way back
        message_id TEXT NOT NULL,
        text       TEXT NOT NULL,
        mail       BLOB,                     -- dropped once it is sent
        parts      INTEGER NOT NULL DEFAULT 1,
        created    REAL NOT NULL,
        tries      INTEGER NOT NULL DEFAULT 0,
        next_try   REAL,
        state      TEXT NOT NULL,            -- waiting | sent | refused | no-way | dropped
        error      TEXT,
        ended      REAL
    );
INSERT INTO "replies" VALUES(1,'7f3ac0ffee00c0ff','ann','reply','a@example.org','<r1@home.example>','lamp is on, 40 W.',NULL,1,1793000002.0,0,1793000002.0,'sent',NULL,1793000003.0);
INSERT INTO "replies" VALUES(2,'81bbc0ffee00c0ff','ann','reply','ann@example.org','<r2@home.example>','router: no answer in 10 s.',X'46726F6D3A20686F75736540686F6D652E6578616D706C650A0A726F757465723A206E6F20616E7377657220696E20313020732E',1,1793000072.0,0,1793000072.0,'waiting',NULL,NULL);
INSERT INTO "replies" VALUES(3,NULL,'bo','alert','bo@example.org','<r3@home.example>','The lamp is on for 9 h.',X'6D61696C2033',1,1793000080.0,1,1793000080.0,'refused','550 no such user',1793000081.0);
CREATE TABLE runs (
        receipt   TEXT NOT NULL,
        n         INTEGER NOT NULL,          -- place of the call in its message, from 0
        command   TEXT NOT NULL,
        words     TEXT NOT NULL,             -- JSON list: name, arguments
        person    TEXT NOT NULL,
        risk      TEXT NOT NULL,
        started   REAL NOT NULL,
        ended     REAL,
        outcome   TEXT,                      -- done | failed | timeout | refused | interrupted
        text      TEXT NOT NULL DEFAULT '',
        detail    TEXT NOT NULL DEFAULT '',  -- for the operator
        PRIMARY KEY (receipt, n)
    ) WITHOUT ROWID;
INSERT INTO "runs" VALUES('7f3ac0ffee00c0ff',0,'plug','["plug", "lamp", "on"]','ann','change',1793000001.0,1793000002.0,'done','lamp is on, 40 W.','');
INSERT INTO "runs" VALUES('81bbc0ffee00c0ff',0,'ping','["ping", "router"]','ann','look',1793000061.0,1793000071.0,'timeout','router: no answer in 10 s.','TimeoutError');
INSERT INTO "runs" VALUES('81bbc0ffee00c0ff',1,'uptime','["uptime"]','ann','look',1793000071.0,1793000072.0,'done','Elm Street up 12 d.','');
CREATE TABLE stored (
        module    TEXT NOT NULL,
        key       TEXT NOT NULL,
        value     TEXT NOT NULL,
        at        REAL NOT NULL,
        PRIMARY KEY (module, key)
    ) WITHOUT ROWID;
INSERT INTO "stored" VALUES('_background','81bbc0ffee00c0ff.1','{"person": "ann", "command": "firmware", "receipt": "81bbc0ffee00c0ff", "address": "ann@example.org", "subject": "the lamp", "in_reply_to": "<2@example.org>", "references": "[]"}',1793000100.0);
INSERT INTO "stored" VALUES('firmware','flash','{"running": "1.2.5 Build 171213", "target": "1.5.6 Build 191114", "auto": false, "plug": "lamp", "id": "00aa11bb22cc33dd", "pid": 99999999, "born": 1792990000.0, "started": 1793000100.0, "steps": [["claim", "", 1793000100.0], ["download", "1 MiB", 1793000110.0]]}',1793000100.0);
CREATE TABLE totp_steps (
        person    TEXT NOT NULL,
        step      INTEGER NOT NULL,
        PRIMARY KEY (person, step)
    ) WITHOUT ROWID;
INSERT INTO "totp_steps" VALUES('ann',59766666);
CREATE TABLE ways (
        person    TEXT NOT NULL,
        address   TEXT NOT NULL,
        sender    TEXT NOT NULL DEFAULT '',
        token     TEXT NOT NULL DEFAULT '',
        kind      TEXT NOT NULL,             -- sms | mail
        used      REAL NOT NULL,
        PRIMARY KEY (person, address)
    ) WITHOUT ROWID;
INSERT INTO "ways" VALUES('ann','13035550100.13035550123.3f79dce61f@txt.voice.google.com','+13035550123','3f79dce61f','sms',1793000000.0);
CREATE TABLE wrong_codes (
        person    TEXT NOT NULL,
        at        REAL NOT NULL
    );
INSERT INTO "wrong_codes" VALUES('ann',1793000095.0);
CREATE INDEX receipts_arrived ON receipts(arrived);
CREATE INDEX receipts_person ON receipts(person, arrived);
CREATE INDEX receipts_open ON receipts(state) WHERE state IN ('waiting', 'started');
CREATE INDEX keys_at ON keys(at);
CREATE INDEX runs_recent ON runs(person, started);
CREATE INDEX replies_due ON replies(next_try) WHERE state = 'waiting';
CREATE INDEX replies_waiting ON replies(id) WHERE state = 'waiting';
CREATE INDEX replies_receipt ON replies(receipt);
CREATE INDEX replies_person ON replies(person, created);
CREATE INDEX codes_person ON codes(person, state);
CREATE INDEX wrong_codes_person ON wrong_codes(person, at);
CREATE INDEX jobs_due ON jobs(due) WHERE state = 'waiting';
CREATE INDEX events_kind ON events(kind, at);
CREATE INDEX receipts_failed ON receipts(id) WHERE state = 'failed';
CREATE INDEX runs_unwell ON runs(receipt) WHERE outcome IN ('failed', 'timeout', 'interrupted');
CREATE INDEX replies_texts ON replies(created) WHERE address LIKE '%@txt.voice.google.com';
CREATE INDEX replies_refused ON replies(id) WHERE state = 'refused';
CREATE INDEX replies_leaving ON replies(coalesce(ended, next_try))
        WHERE address LIKE '%@txt.voice.google.com' AND state IN ('waiting', 'sent');
PRAGMA user_version = 5;
COMMIT;
