// SPDX-License-Identifier: GPL-2.0
/*
 * What is said of a machine: a line, a table, JSON
 */
#include <json-c/json.h>
#include <string.h>

#include "report.h"

static const char *const verdicts[] = {
	[VERDICT_OK] = "OK",
	[VERDICT_EXPOSED] = "EXPOSED",
	[VERDICT_UNKNOWN] = "UNKNOWN",
};

static bool is_protected(const struct machine *m)
{
	return m->module.loaded && m->module.state == STATE_PROTECTED;
}

static const struct kernel *running_kernel(const struct machine *m)
{
	int i;

	for (i = 0; i < m->nr_kernels; i++) {
		if (m->kernels[i].running)
			return &m->kernels[i];
	}
	return NULL;
}

/* The next boot of such a kernel is one without the module */
static bool not_protected(const struct kernel *k)
{
	return !k->found || !k->matches;
}

static const char *why_not(const struct kernel *k)
{
	if (k->found)
		return "its module was built for another kernel";
	return k->headers ? "no module is built for it" : "headers missing";
}

/* srcversion is a sum of the sources, where the version does not stand */
static bool is_the_loaded(const struct module *mod, const struct kernel *k)
{
	return !strcmp(mod->srcversion, k->srcversion) &&
	       !strcmp(mod->version, k->version);
}

/* Why the module does not protect now, and the way out */
static void module_problem(FILE *to, const struct machine *m)
{
	const struct kernel *k = running_kernel(m);

	if (m->module.loaded && m->module.state == STATE_MARK_ONLY)
		fputs("the module is loaded with hold=0, a resize can hang or lose data",
		      to);
	else if (m->module.loaded && m->module.state == STATE_UNKNOWN)
		fprintf(to, "what the module says is not understood (%s)",
			m->module.text);
	else if (m->module.loaded)
		fprintf(to, "the module is loaded, but %s", m->module.text);
	else if (k && not_protected(k))
		fprintf(to, "not protected on %s: %s%s", k->release, why_not(k),
			k->headers ? ", dkms autoinstall" : "");
	else
		fputs("the module is not loaded: modprobe " MODULE, to);
}

static void one_fs(FILE *to, const struct machine *m, int fast_commit)
{
	int i, n = 0;

	for (i = 0; i < m->nr_fs; i++) {
		if (m->fs[i].fast_commit != fast_commit)
			continue;
		if (!n++)
			fputs(m->fs[i].dir, to);
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
		if (m->fs[i].fast_commit < 0) {
			fprintf(to, "whether %s has fast_commit: %s",
				m->fs[i].device, m->fs[i].why);
			return;
		}
	}
}

void report_line(FILE *to, const struct machine *m)
{
	enum verdict verdict = machine_verdict(m);
	int i, on = machine_fast_commits(m);

	fprintf(to, "%s: ", verdicts[verdict]);
	if (is_protected(m)) {
		fputs(m->module.text, to);
	} else if (verdict == VERDICT_OK) {
		fputs("not needed, no mounted ext4 has fast_commit", to);
	} else if (on) {
		one_fs(to, m, 1);
		fprintf(to, " %s fast_commit, ", on == 1 ? "has" : "have");
		module_problem(to, m);
	} else {
		why_unknown(to, m);
		fputs("; ", to);
		module_problem(to, m);
	}
	for (i = 0; i < m->nr_kernels; i++) {
		const struct kernel *k = &m->kernels[i];

		if (!k->running && not_protected(k))
			fprintf(to, "; not protected on %s: %s", k->release,
				why_not(k));
	}
	fputc('\n', to);
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

/* In colour: green, red, or yellow for the rest */
static void word(FILE *to, const char *text, bool colour)
{
	const char *code = "33";

	if (!strncmp(text, "protected", 9) || !strncmp(text, "built", 5))
		code = "32";
	else if (!strncmp(text, "exposed", 7) || !strncmp(text, "not prot", 8))
		code = "31";
	else if (!strncmp(text, "not needed", 10))
		code = "0";
	if (colour)
		fprintf(to, "\033[%sm%s\033[0m", code, text);
	else
		fputs(text, to);
}

static void signature(FILE *to, const struct kernel *k)
{
	if (k->signer[0])
		fprintf(to, ", signed by %s", k->signer);
	else
		fputs(", not signed", to);
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

static void module_lines(FILE *to, const struct machine *m, bool colour)
{
	const struct module *mod = &m->module;
	const struct kernel *k = running_kernel(m);
	const long *c = mod->counters;

	fprintf(to, "module     %s", mod->loaded ? "loaded" : "not loaded");
	if (mod->loaded && mod->version[0])
		fprintf(to, ", version %s", mod->version);
	if (mod->loaded && mod->version[0] && strcmp(mod->version, VERSION))
		fprintf(to, " (this command is %s)", VERSION);
	if (mod->loaded && mod->unsigned_taint)
		fputs(", its signature was not accepted", to);
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
		if (mod->loaded && !is_the_loaded(mod, k))
			fputs("; another one is loaded: rmmod " MODULE
			      ", modprobe " MODULE,
			      to);
		fputc('\n', to);
	}
	if (!mod->loaded)
		return;

	fputs("state      ", to);
	word(to, mod->text, colour);
	fputc('\n', to);
	fputs("resizes    ", to);
	number(to, "marked ", sum(c[MARKS_GROUP_EXTEND], c[MARKS_GROUP_ADD]));
	number(to, ", held ", c[HOLDS]);
	number(to, ", refused ", c[HOLDS_FAILED]);
	number(to, ", not protected ", c[UNPROTECTED]);
	fputs(" (of all filesystems)\nfsyncs     made full commits: ", to);
	number(to, "by resizes ", c[FULL_COMMITS_HOLD]);
	number(to, ", by flushes ", c[FULL_COMMITS_FLUSH]);
	fputc('\n', to);
	if (c[MISSED] > 0)
		fprintf(to, "missed     %ld calls: please report this\n",
			c[MISSED]);
}

static int width(int so_far, const char *text)
{
	int n = strlen(text);

	return n > so_far ? n : so_far;
}

void report_table(FILE *to, const struct machine *m, bool colour)
{
	int i, others = 0, first = 0, w = 6, w2 = 11;

	report_line(to, m);
	fprintf(to, "\nkernel     %s, upstream's fix in its ext4: %s\n",
		m->release, fixed_text(m->fixed));
	module_lines(to, m, colour);

	for (i = 0; i < m->nr_fs; i++) {
		w = width(w, m->fs[i].device);
		w2 = width(w2, m->fs[i].dir);
	}
	fputc('\n', to);
	if (m->nr_fs)
		fprintf(to, "%-*s  %-*s  FAST COMMIT  RESIZE\n", w, "DEVICE",
			w2, "MOUNT POINT");
	else
		fprintf(to, "%s\n",
			m->fs_error[0] ? m->fs_error : "no ext4 is mounted");
	for (i = 0; i < m->nr_fs; i++) {
		const struct fs *fs = &m->fs[i];

		fprintf(to, "%-*s  %-*s  %-11s  ", w, fs->device, w2, fs->dir,
			on_off(fs->fast_commit));
		word(to, fs_protection(m, fs), colour);
		if (fs->fast_commit == 1)
			number(to, ", marks: ", fs->marks);
		if (fs->fast_commit == 1 && fs->checked_at_boot) {
			fputs(", e2fsck at boot", to);
			first = 1;
		}
		if (fs->fast_commit < 0)
			fprintf(to, " (%s)", fs->why);
		fputc('\n', to);
	}
	if (first)
		fputs("e2fsck at boot can lose what was fsynced, see RECOVERY in the man page\n",
		      to);

	for (i = 0, w = 12; i < m->nr_kernels; i++) {
		w = width(w, m->kernels[i].release);
		others += !m->kernels[i].running;
	}
	if (others)
		fprintf(to, "\n%-*s  MODULE\n", w, "OTHER KERNEL");
	for (i = 0; i < m->nr_kernels; i++) {
		const struct kernel *k = &m->kernels[i];

		if (k->running)
			continue;
		fprintf(to, "%-*s  ", w, k->release);
		if (not_protected(k)) {
			word(to, "not protected", colour);
			fprintf(to, " on %s: %s", k->release, why_not(k));
		} else {
			word(to, "built", colour);
			signature(to, k);
		}
		fputc('\n', to);
	}
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
		put_bool(o, "module", !not_protected(k));
		put_bool(o, "headers", k->headers);
		put_string(o, "signer", k->signer);
		put_string(o, "error", not_protected(k) ? why_not(k) : NULL);
		json_object_array_add(list, o);
	}
	return list;
}

int report_json(FILE *to, const struct machine *m)
{
	struct json_object *o = json_object_new_object();
	const char *text;
	int err;

	put_string(o, "version", VERSION);
	put_string(o, "verdict", verdicts[machine_verdict(m)]);
	put_string(o, "kernel", m->release);
	put_bool(o, "kernel_fixed", m->fixed);
	json_object_object_add(o, "module", json_module(m));
	json_object_object_add(o, "filesystems", json_fs(m));
	put_string(o, "filesystems_error", m->fs_error);
	json_object_object_add(o, "other_kernels", json_kernels(m));
	text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY);
	err = fprintf(to, "%s\n", text) < 0;
	json_object_put(o);
	return err;
}
