// SPDX-License-Identifier: GPL-2.0
/*
 * What is said of a machine: a line, a table, JSON
 */
#include <json-c/json.h>
#include <libsmartcols.h>
#include <stdlib.h>
#include <string.h>

#include "remedy.h"
#include "report.h"

static const char *const verdicts[] = {
	[VERDICT_OK] = "OK",
	[VERDICT_WARNING] = "WARNING",
	[VERDICT_EXPOSED] = "EXPOSED",
	[VERDICT_UNKNOWN] = "UNKNOWN",
};

/* srcversion is a sum of the sources, which the version is not */
static bool is_the_loaded(const struct module *mod, const struct kernel *k)
{
	return !strcmp(mod->srcversion, k->srcversion) &&
	       !strcmp(mod->version, k->version);
}

static void one_fs(FILE *to, const struct machine *m)
{
	int i, n = 0;

	for (i = 0; i < m->nr_fs; i++) {
		const struct fs *fs = &m->fs[i];

		if (fs->fast_commit != 1)
			continue;
		if (!n++)
			fprintf(to, "%s%s", fs->dir ? fs->dir : fs->device,
				fs->dir ? "" : " (mounted elsewhere)");
	}
	if (n > 1)
		fprintf(to, " and %d more", n - 1);
}

static void why_unknown(FILE *to, const struct machine *m)
{
	int i;

	if (m->fs_error[0]) {
		fputs(m->fs_error, to);
		return;
	}
	for (i = 0; i < m->nr_fs; i++) {
		const struct fs *fs = &m->fs[i];

		if (fs->fast_commit < 0) {
			fprintf(to, "whether %s%s has fast_commit: %s",
				fs->device,
				fs->dir ? "" : " (mounted elsewhere)", fs->why);
			return;
		}
	}
}

static void history(FILE *to, const struct machine *m)
{
	const long *c = m->module.counters;

	if (c[COUNTER_missed] > 0)
		fprintf(to,
			"; the module has missed %ld calls: please report this",
			c[COUNTER_missed]);
	if (c[COUNTER_unprotected] > 0 && machine_fast_commits(m))
		fprintf(to, "; unprotected resizes: %ld, see status",
			c[COUNTER_unprotected]);
}

/* Whether they have the module matters only where there is something to protect */
static void other_kernels(FILE *to, const struct machine *m)
{
	const struct kernel *next = next_unprotected(m);
	int i;

	for (i = 0; i < m->nr_kernels && machine_fast_commits(m); i++) {
		const struct kernel *k = &m->kernels[i];

		if (k->running || !not_built(k))
			continue;
		fprintf(to, "; not protected on %s: ", k->release);
		if (k == next)
			remedy_build(to, k);
		else
			fputs(why_not_built(k), to);
	}
	if (next && next->running && is_protected(m)) {
		fputs("; not protected after a reboot: ", to);
		remedy_build(to, next);
	}
}

/* One line, and no |, after which monitoring looks for figures */
static char *message(const struct machine *m)
{
	enum verdict verdict = machine_verdict(m);
	int on = machine_fast_commits(m);
	char *text, *p;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	fprintf(to, "%s: ", verdicts[verdict]);
	if (is_protected(m)) {
		fputs(state_text(&m->module), to);
	} else if (verdict <= VERDICT_WARNING) {
		fputs("not needed, no mounted ext4 has fast_commit", to);
	} else if (on) {
		one_fs(to, m);
		fprintf(to, " %s fast_commit, ", on == 1 ? "has" : "have");
		remedy(to, m);
	} else {
		why_unknown(to, m);
		if (m->module.loaded || running_kernel(m)) {
			fputs("; ", to);
			remedy(to, m);
		}
	}
	history(to, m);
	other_kernels(to, m);
	fclose(to);
	for (p = text; (p = strchr(p, '|'));)
		*p = '?';
	return text;
}

void report_line(FILE *to, const struct machine *m)
{
	static const struct {
		const char *name;
		enum counter counter;
	} figures[] = {
		{ "holds", COUNTER_holds },
		{ "refused", COUNTER_holds_failed },
		{ "unprotected", COUNTER_unprotected },
		{ "missed", COUNTER_missed },
	};
	char *text = message(m);
	size_t i;

	fputs(text, to);
	for (i = 0; m->module.loaded && i < sizeof(figures) / sizeof(*figures);
	     i++) {
		long n = m->module.counters[figures[i].counter];

		fprintf(to, "%s%s=", i ? " " : " | ", figures[i].name);
		if (n < 0)
			fputc('U', to); /* a plugin's word for not known */
		else
			fprintf(to, "%ld", n);
	}
	fputc('\n', to);
	free(text);
}

static const char *fixed_text(int fixed)
{
	if (fixed < 0)
		return "not known (selftest tells)";
	return fixed ? "yes, it marks by itself" : "no";
}

static const char *on_off(int fast_commit)
{
	if (fast_commit < 0)
		return "?";
	return fast_commit ? "on" : "off";
}

static const char *fs_protection(const struct machine *m, const struct fs *fs)
{
	if (is_protected(m))
		return fs->fast_commit ? "protected" : "not needed";
	switch (parse_verdict(m->module.loaded, m->module.state,
			      fs->fast_commit == 1, fs->fast_commit < 0)) {
	case VERDICT_OK:
		return "not needed";
	case VERDICT_EXPOSED:
		return "exposed";
	default:
		return "not known";
	}
}

/* Green, red, or yellow for the rest; NULL: none */
static const char *colour_of(const char *text)
{
	if (!strncmp(text, "protected", 9) || !strncmp(text, "built", 5))
		return "\033[32m";
	if (!strncmp(text, "exposed", 7) || !strncmp(text, "not prot", 8))
		return "\033[31m";
	return strncmp(text, "not needed", 10) ? "\033[33m" : NULL;
}

static void word(FILE *to, const char *text, bool colour)
{
	const char *code = colour ? colour_of(text) : NULL;

	fprintf(to, "%s%s%s", code ? code : "", text, code ? "\033[0m" : "");
}

static void signature(FILE *to, const struct kernel *k)
{
	if (!k->is_signed)
		fputs(", not signed", to);
	else if (k->signer[0])
		fprintf(to, ", signed by %s", k->signer);
}

static long sum(long a, long b)
{
	return a < 0 || b < 0 ? -1 : a + b;
}

static void number(FILE *to, const char *what, long n)
{
	fputs(what, to);
	if (n < 0)
		fputc('?', to);
	else
		fprintf(to, "%ld", n);
}

static void parameters(FILE *to, const struct module *mod)
{
	int i, n = 0;

	for (i = 0; i < PARAMS; i++) {
		if (mod->params[i] < 0 || mod->params[i] == param_defaults[i])
			continue;
		fprintf(to, "%s%s=%d", n++ ? " " : "parameters ",
			param_names[i], mod->params[i]);
	}
	if (n)
		fputc('\n', to);
}

static void module_lines(FILE *to, const struct machine *m, bool colour)
{
	const struct module *mod = &m->module;
	const struct kernel *k = running_kernel(m);
	const long *c = mod->counters;

	fputs("module     ", to);
	if (!mod->loaded && k && !not_built(k))
		remedy_load(to, k);
	else
		fputs(mod->loaded ? "loaded" : "not loaded", to);
	if (mod->loaded && mod->version[0])
		fprintf(to, ", version %s", mod->version);
	if (mod->loaded && mod->version[0] && strcmp(mod->version, VERSION))
		fprintf(to, " (this command is %s)", VERSION);
	fputc('\n', to);

	fputs("its file   ", to);
	if (!k || !k->found) {
		fputs(k && !k->headers ?
			      "none for this kernel: headers missing\n" :
			      "none for this kernel\n",
		      to);
	} else {
		fputs(k->matches ? "for this kernel" :
				   "built for another kernel",
		      to);
		signature(to, k);
		if (mod->loaded && !is_the_loaded(mod, k)) {
			fputs("; another one is loaded: ", to);
			remedy_reload(to, "");
		}
		fputc('\n', to);
	}
	if (!mod->loaded)
		return;

	fputs("state      ", to);
	word(to, state_text(mod), colour);
	fputc('\n', to);
	parameters(to, mod);
	fputs("resizes    ", to);
	number(to, "marked ",
	       sum(c[COUNTER_marks_group_extend], c[COUNTER_marks_group_add]));
	number(to, ", held ", c[COUNTER_holds]);
	number(to, ", refused ", c[COUNTER_holds_failed]);
	number(to, ", not protected ", c[COUNTER_unprotected]);
	fputs(" (of all filesystems)\nfsyncs     made full commits: ", to);
	number(to, "by resizes ", c[COUNTER_full_commits_hold]);
	number(to, ", by flushes ", c[COUNTER_full_commits_flush]);
	if (c[COUNTER_full_commits_successor] >= 0)
		number(to, ", by marks ", c[COUNTER_full_commits_successor]);
	if (c[COUNTER_overlaps] >= 0)
		number(to, ", by other fsyncs ", c[COUNTER_overlaps]);
	fputc('\n', to);
	if (c[COUNTER_missed] > 0)
		fprintf(to, "missed     %ld calls: please report this\n",
			c[COUNTER_missed]);
}

/* width: of a terminal; 0: that of the one that this is, if it is one */
static struct libscols_table *new_table(FILE *to, bool colour, int width)
{
	struct libscols_table *table = scols_new_table();

	scols_table_set_stream(table, to);
	scols_table_set_column_separator(table, "  ");
	scols_table_enable_colors(table, colour);
	if (width) {
		scols_table_set_termforce(table, SCOLS_TERMFORCE_ALWAYS);
		scols_table_set_termwidth(table, width);
	}
	return table;
}

static void print_table(struct libscols_table *table)
{
	scols_print_table(table);
	scols_unref_table(table);
}

static void set(struct libscols_line *line, int column, const char *text)
{
	scols_line_set_data(line, column, text);
}

static void set_word(struct libscols_line *line, int column, const char *text)
{
	set(line, column, text);
	scols_cell_set_color(scols_line_get_cell(line, column),
			     colour_of(text));
}

/* After a crash, at the next boot */
static const char *recovery_text(const struct fs *fs)
{
	if (fs->kernel_first)
		return "kernel recovers first";
	return fs->checked_at_boot ? "e2fsck at boot" : "";
}

static void filesystems(FILE *to, const struct machine *m, bool colour,
			int width)
{
	enum { DEVICE, MOUNT_POINT, FAST_COMMIT, RESIZE, MARKS, NOTES };
	struct libscols_table *table = new_table(to, colour, width);
	char text[400];
	int i;

	scols_table_new_column(table, "DEVICE", 0, SCOLS_FL_WRAP);
	scols_table_new_column(table, "MOUNT POINT", 0, SCOLS_FL_WRAP);
	scols_table_new_column(table, "FAST COMMIT", 0, 0);
	scols_table_new_column(table, "RESIZE", 0, 0);
	scols_table_new_column(table, "MARKS", 0, SCOLS_FL_RIGHT);
	scols_table_new_column(table, "NOTES", 0, SCOLS_FL_WRAP);
	for (i = 0; i < m->nr_fs; i++) {
		const struct fs *fs = &m->fs[i];
		struct libscols_line *line = scols_table_new_line(table, NULL);
		bool on = fs->fast_commit == 1;

		set(line, DEVICE, fs->device);
		set(line, MOUNT_POINT, fs->dir ? fs->dir : "(elsewhere)");
		set(line, FAST_COMMIT, on_off(fs->fast_commit));
		set_word(line, RESIZE, fs_protection(m, fs));
		snprintf(text, sizeof(text), fs->marks < 0 ? "?" : "%ld",
			 fs->marks);
		set(line, MARKS, on ? text : "");
		snprintf(text, sizeof(text), "%s%s%s%s", fs->why,
			 on ? recovery_text(fs) : "",
			 on && *recovery_text(fs) && fs->resized_before ? ", " :
									  "",
			 on && fs->resized_before ?
				 "resized before the module was loaded" :
				 "");
		set(line, NOTES, text);
	}
	print_table(table);
}

static void kernels(FILE *to, const struct machine *m, bool colour, int width)
{
	enum { RELEASE, BUILT, NOTES };
	struct libscols_table *table = new_table(to, colour, width);
	char text[200];
	int i;

	scols_table_new_column(table, "OTHER KERNEL", 0, 0);
	scols_table_new_column(table, "MODULE", 0, 0);
	scols_table_new_column(table, "NOTES", 0, SCOLS_FL_WRAP);
	for (i = 0; i < m->nr_kernels; i++) {
		const struct kernel *k = &m->kernels[i];
		struct libscols_line *line;

		if (k->running)
			continue;
		line = scols_table_new_line(table, NULL);
		set(line, RELEASE, k->release);
		set_word(line, BUILT, not_built(k) ? "not protected" : "built");
		snprintf(text, sizeof(text), "%ssigned%s%s",
			 k->is_signed ? "" : "not ", k->signer[0] ? " by " : "",
			 k->signer);
		set(line, NOTES, not_built(k) ? why_not_built(k) : text);
	}
	if (scols_table_get_nlines(table))
		fputc('\n', to);
	print_table(table);
}

void report_table(FILE *to, const struct machine *m, bool colour, int width)
{
	char *line = message(m);
	bool fsck = false, read_only = false;
	int i;

	fprintf(to, "%s\n\nkernel     %s, upstream's fix in its ext4: %s\n",
		line, m->release, fixed_text(m->fixed));
	free(line);
	module_lines(to, m, colour);
	fputc('\n', to);
	if (m->nr_fs)
		filesystems(to, m, colour, width);
	else
		fprintf(to, "%s\n",
			m->fs_error[0] ? m->fs_error : "no ext4 is mounted");
	for (i = 0; i < m->nr_fs; i++) {
		bool on = m->fs[i].fast_commit == 1;

		fsck |= on && m->fs[i].checked_at_boot &&
			!m->fs[i].kernel_first;
		read_only |= on && m->fs[i].recovered_read_only;
	}
	if (fsck)
		fputs("e2fsck at boot can lose what was fsynced, see RECOVERY in the man page\n",
		      to);
	if (read_only)
		fputs("fsck.mode=skip needs rw beside it, see RECOVERY in the man page\n",
		      to);
	kernels(to, m, colour, width);
}

/* --- JSON; the man page describes it --- */

static void put_string(struct json_object *o, const char *key, const char *text)
{
	struct json_object *value = NULL;

	if (text && *text)
		value = json_object_new_string(text);
	json_object_object_add(o, key, value);
}

static void put_bool(struct json_object *o, const char *key, int value)
{
	struct json_object *b = NULL;

	if (value >= 0)
		b = json_object_new_boolean(value);
	json_object_object_add(o, key, b);
}

static struct json_object *json_number(long n)
{
	return n < 0 ? NULL : json_object_new_int64(n);
}

static struct json_object *json_module(const struct machine *m)
{
	struct json_object *o = json_object_new_object();
	struct json_object *params = json_object_new_object();
	struct json_object *counters = json_object_new_object();
	const struct kernel *k = running_kernel(m);
	bool loaded = m->module.loaded;
	int i;

	put_bool(o, "loaded", loaded);
	put_string(o, "version", loaded ? m->module.version : NULL);
	put_string(o, "state", loaded ? m->module.text : NULL);
	put_bool(o, "effective",
		 loaded && m->module.state == STATE_UNKNOWN ?
			 -1 :
			 loaded && m->module.state != STATE_NOT_PROTECTED);
	/* Nor does a kernel that does not look at signatures set the taint */
	if (loaded && m->module.unsigned_taint)
		put_bool(o, "signature_accepted", 0);
	else
		put_bool(o, "signature_accepted",
			 loaded && k && k->signer[0] ? 1 : -1);
	put_bool(o, "file", k && k->found);
	put_bool(o, "file_for_this_kernel", k && k->found ? k->matches : -1);
	put_string(o, "file_signer", k ? k->signer : NULL);
	put_bool(o, "file_is_loaded",
		 loaded && k && k->found ? is_the_loaded(&m->module, k) : -1);
	for (i = 0; loaded && i < PARAMS; i++)
		put_bool(params, param_names[i], m->module.params[i]);
	json_object_object_add(o, "parameters", params);
	for (i = 0; loaded && i < COUNTERS; i++) {
		json_object_object_add(counters, counter_names[i],
				       json_number(m->module.counters[i]));
	}
	json_object_object_add(o, "counters", counters);
	return o;
}

static struct json_object *json_fs(const struct machine *m)
{
	struct json_object *list = json_object_new_array();
	int i;

	for (i = 0; i < m->nr_fs; i++) {
		struct json_object *o = json_object_new_object();

		put_string(o, "device", m->fs[i].device);
		put_string(o, "mount_point", m->fs[i].dir);
		put_bool(o, "fast_commit", m->fs[i].fast_commit);
		put_string(o, "resize", fs_protection(m, &m->fs[i]));
		json_object_object_add(o, "marks", json_number(m->fs[i].marks));
		put_bool(o, "checked_at_boot", m->fs[i].checked_at_boot);
		put_bool(o, "kernel_recovers_first", m->fs[i].kernel_first);
		put_bool(o, "recovered_read_only",
			 m->fs[i].recovered_read_only);
		put_bool(o, "resized_before", m->fs[i].resized_before);
		put_string(o, "error", m->fs[i].why);
		json_object_array_add(list, o);
	}
	return list;
}

static struct json_object *json_kernels(const struct machine *m)
{
	struct json_object *list = json_object_new_array();
	int i;

	for (i = 0; i < m->nr_kernels; i++) {
		const struct kernel *k = &m->kernels[i];
		struct json_object *o;

		if (k->running)
			continue;
		o = json_object_new_object();
		put_string(o, "release", k->release);
		put_bool(o, "module", !not_built(k));
		put_bool(o, "headers", k->headers);
		put_string(o, "signer", k->signer);
		put_string(o, "error", not_built(k) ? why_not_built(k) : NULL);
		json_object_array_add(list, o);
	}
	return list;
}

int report_json(FILE *to, const struct machine *m)
{
	struct json_object *o = json_object_new_object();
	int err, flags = JSON_C_TO_STRING_PRETTY |
			 JSON_C_TO_STRING_NOSLASHESCAPE;
	char *line = message(m);
	const char *text;

	put_string(o, "version", VERSION);
	put_string(o, "verdict", verdicts[machine_verdict(m)]);
	put_string(o, "message", strchr(line, ' ') + 1);
	free(line);
	put_string(o, "kernel", m->release);
	put_bool(o, "kernel_fixed", m->fixed);
	json_object_object_add(o, "module", json_module(m));
	json_object_object_add(o, "filesystems", json_fs(m));
	put_string(o, "filesystems_error", m->fs_error);
	json_object_object_add(o, "other_kernels", json_kernels(m));
	text = json_object_to_json_string_ext(o, flags);
	err = fprintf(to, "%s\n", text) < 0;
	json_object_put(o);
	return err;
}
