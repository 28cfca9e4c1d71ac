BEGIN TRANSACTION;
CREATE TABLE comparisons (
	id INTEGER NOT NULL, 
	created TEXT NOT NULL, 
	run_id INTEGER, 
	model TEXT NOT NULL, 
	"query" TEXT NOT NULL, 
	original TEXT NOT NULL, 
	edited TEXT NOT NULL, 
	familiarity DOUBLE NOT NULL, 
	routed BOOLEAN NOT NULL, 
	threshold DOUBLE NOT NULL, 
	entropy DOUBLE NOT NULL, 
	nearest_edit TEXT NOT NULL, 
	similarity DOUBLE NOT NULL, 
	asked_with TEXT NOT NULL, 
	decoding TEXT NOT NULL, 
	fingerprint TEXT NOT NULL, 
	pack TEXT NOT NULL, 
	calibrated DOUBLE, 
	original_seconds DOUBLE, 
	edited_seconds DOUBLE, 
	PRIMARY KEY (id), 
	FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE SET NULL
);
INSERT INTO "comparisons" VALUES(1,'2026-01-01T00:00:00+00:00',1,'embedded','q','o','e',0.5,1,0.5,0.25,'fixed-1',0.75,'','{}','','',NULL,NULL,NULL);
CREATE TABLE edit_texts (
	edit_id INTEGER NOT NULL, 
	aliases TEXT NOT NULL, 
	paraphrases TEXT NOT NULL, 
	probes TEXT NOT NULL, 
	PRIMARY KEY (edit_id), 
	FOREIGN KEY(edit_id) REFERENCES edits (id) ON DELETE CASCADE
);
INSERT INTO "edit_texts" VALUES(1,'[]','["France is ruled from"]','[["neighbour", "The capital of Spain is"]]');
INSERT INTO "edit_texts" VALUES(2,'["forty-two"]','[]','[]');
CREATE TABLE edits (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	"key" TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	relation TEXT NOT NULL, 
	prompt TEXT NOT NULL, 
	new_object TEXT NOT NULL, 
	original_answer TEXT NOT NULL, 
	enabled BOOLEAN NOT NULL, 
	familiarity DOUBLE, 
	fact_key TEXT NOT NULL, 
	prompt_key TEXT NOT NULL, 
	subject_key TEXT NOT NULL, 
	relation_key TEXT NOT NULL, 
	object_key TEXT NOT NULL, 
	answer_key TEXT NOT NULL, 
	search TEXT NOT NULL, 
	CONSTRAINT prompt_given CHECK (trim(prompt) <> ''), 
	CONSTRAINT new_object_given CHECK (trim(new_object) <> ''), 
	UNIQUE ("key")
);
INSERT INTO "edits" VALUES(1,'fixed-1','France','capital','The capital of France is','Lyon','Paris',1,NULL,'francecapital','the capital of france is','france','capital','lyon','paris','francecapitallyonparisthe capital of france is');
INSERT INTO "edits" VALUES(2,'fixed-2','','','The answer is','42','',1,NULL,'','the answer is','','','42','','42the answer is');
CREATE TABLE relations (
	id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	phrasings TEXT NOT NULL, 
	held_out TEXT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "relations" VALUES('capital','capital','["The capital of {} is", "Q: What is the capital of {}? A:"]','[]');
CREATE TABLE runs (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	created TEXT NOT NULL, 
	folder TEXT NOT NULL, 
	editor TEXT NOT NULL, 
	model TEXT NOT NULL, 
	state TEXT NOT NULL, 
	seed INTEGER NOT NULL, 
	snapshot TEXT NOT NULL, 
	edits INTEGER NOT NULL, 
	settings TEXT NOT NULL, 
	figures TEXT NOT NULL, 
	message TEXT NOT NULL, 
	UNIQUE (folder)
);
INSERT INTO "runs" VALUES(1,'2026-11-21T08:06:04.234272+00:00','2026-11-21-080604-meg','MeG','embedded','running',1,'abc',2,'{}','{}','');
CREATE TABLE settings (
	name TEXT NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "settings" VALUES('_name','"An older project"');
INSERT INTO "settings" VALUES('_revision','7');
INSERT INTO "settings" VALUES('_unicode','"14.0.0"');
INSERT INTO "settings" VALUES('device','"cpu"');
CREATE TABLE undo_rows (
	step_id INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	"row" TEXT NOT NULL, 
	payload TEXT, 
	PRIMARY KEY (step_id, kind, "row"), 
	FOREIGN KEY(step_id) REFERENCES undo_steps (id) ON DELETE CASCADE
);
INSERT INTO "undo_rows" VALUES(1,'relation','capital',NULL);
INSERT INTO "undo_rows" VALUES(1,'edit','1',NULL);
INSERT INTO "undo_rows" VALUES(1,'edit','2',NULL);
INSERT INTO "undo_rows" VALUES(1,'edit','3',NULL);
INSERT INTO "undo_rows" VALUES(2,'edit','1','{"key": "fixed-1", "subject": "France", "relation": "capital", "prompt": "The capital of France is", "new_object": "Lyon", "original_answer": "", "enabled": true, "familiarity": null, "aliases": "[]", "paraphrases": "[\"France is ruled from\"]", "probes": "[[\"neighbour\", \"The capital of Spain is\"]]"}');
INSERT INTO "undo_rows" VALUES(3,'edit','3','{"key": "fixed-3", "subject": "Italy", "relation": "capital", "prompt": "The capital of Italy is", "new_object": "Milan", "original_answer": "", "enabled": true, "familiarity": null, "aliases": "[]", "paraphrases": "[]", "probes": "[]"}');
CREATE TABLE undo_steps (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	name TEXT NOT NULL, 
	undone BOOLEAN NOT NULL, 
	size INTEGER NOT NULL
);
INSERT INTO "undo_steps" VALUES(1,'add 3 edits',0,4);
INSERT INTO "undo_steps" VALUES(2,'fill in 1 original answer',0,1);
INSERT INTO "undo_steps" VALUES(3,'delete 1 edit',0,1);
CREATE TABLE watched (
	position INTEGER NOT NULL, 
	question TEXT NOT NULL, 
	PRIMARY KEY (position)
);
INSERT INTO "watched" VALUES(0,'Who is it?');
CREATE TABLE run_notes (
	run_id INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	note TEXT NOT NULL, 
	threshold DOUBLE, 
	PRIMARY KEY (run_id), 
	FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);
INSERT INTO "run_notes" VALUES(1,'First','a note',0.5);
CREATE TABLE edit_prints (
	edit_id INTEGER NOT NULL, 
	print INTEGER NOT NULL, 
	PRIMARY KEY (edit_id), 
	FOREIGN KEY(edit_id) REFERENCES edits (id) ON DELETE CASCADE
);
INSERT INTO "edit_prints" VALUES(1,-2914260370706135526);
INSERT INTO "edit_prints" VALUES(2,5909722939181852708);
CREATE TABLE trained_edits (
	run_id INTEGER NOT NULL, 
	"key" TEXT NOT NULL, 
	print INTEGER NOT NULL, 
	enabled BOOLEAN NOT NULL, 
	PRIMARY KEY (run_id, "key"), 
	FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
INSERT INTO "trained_edits" VALUES(1,'fixed-1',-2914260370706135526,1);
INSERT INTO "trained_edits" VALUES(1,'fixed-2',5909722939181852708,1);
CREATE VIRTUAL TABLE edit_search USING fts5(search, content='edits', content_rowid='id', tokenize='trigram case_sensitive 1');
INSERT INTO edit_search (edit_search) VALUES ('rebuild');
CREATE INDEX edits_by_fact ON edits (fact_key) WHERE enabled AND fact_key <> '';
CREATE INDEX edits_by_subject ON edits (subject_key, id);
CREATE INDEX edits_by_relation ON edits (relation_key, subject_key, id);
CREATE INDEX edits_by_object ON edits (object_key, subject_key, id);
CREATE INDEX edits_by_answer ON edits (answer_key, subject_key, id);
CREATE INDEX edits_by_prompt ON edits (prompt_key) WHERE enabled;
CREATE INDEX comparisons_by_run ON comparisons (run_id);
CREATE INDEX comparisons_by_list ON comparisons (asked_with);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('undo_steps',3);
INSERT INTO "sqlite_sequence" VALUES('edits',3);
INSERT INTO "sqlite_sequence" VALUES('runs',1);
COMMIT;
