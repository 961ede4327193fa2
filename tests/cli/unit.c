// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of the command, without root: what it makes of text, of directories
 * that look like /sys/module and /lib/modules, and what it then says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <json-c/json.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "../../src/cli/report.h"

#define ALL "protected (mark, hold, full commit after flush)"

static void test_state(void **unused)
{
	(void)unused;
	assert_int_equal(parse_state(ALL), STATE_PROTECTED);
	assert_int_equal(parse_state("protected (mark, hold=0)"),
			 STATE_MARK_ONLY);
	assert_int_equal(parse_state("not protected: hooks are off"),
			 STATE_NOT_PROTECTED);
	assert_int_equal(parse_state(""), STATE_UNKNOWN);
	assert_int_equal(parse_state("protected"), STATE_UNKNOWN);
	assert_int_equal(parse_state("protected (by magic)"), STATE_UNKNOWN);
	assert_int_equal(parse_state(ALL " or not"), STATE_UNKNOWN);
}

static void test_count(void **unused)
{
	(void)unused;
	assert_int_equal(parse_count("0\n"), 0);
	assert_int_equal(parse_count("17"), 17);
	assert_int_equal(parse_count(""), -1);
	assert_int_equal(parse_count("-3"), -1);
	assert_int_equal(parse_count(" 3"), -1);
	assert_int_equal(parse_count("3 of 4"), -1);
	assert_int_equal(parse_count("99999999999999999999"), -1);
}

static void test_fc_info(void **unused)
{
	static const char fc_info[] = "fc stats:\n"
				      "12 commits\n"
				      "3 ineligible\n"
				      "40 numblks\n"
				      "7us avg_commit_time\n"
				      "Ineligible reasons:\n"
				      "\"Extended attributes changed\":\t0\n"
				      "\"Resize\":\t2\n"
				      "\"Falloc range op\":\t1\n";

	(void)unused;
	assert_int_equal(parse_stat(fc_info, "commits"), 12);
	assert_int_equal(parse_stat(fc_info, "ineligible"), 3);
	assert_int_equal(parse_stat(fc_info, "commit"), -1);
	assert_int_equal(parse_stat("commits\n", "commits"), -1);
	assert_int_equal(parse_reason(fc_info, "Resize"), 2);
	assert_int_equal(parse_reason(fc_info, "Resiz"), -1);
	assert_int_equal(parse_reason("\"Resize\":", "Resize"), -1);
	assert_int_equal(parse_reason("\"Resize", "Resize"), -1);
	assert_int_equal(parse_reason("", "Resize"), -1);
}

static void test_vermagic(void **unused)
{
	(void)unused;
	assert_true(parse_vermagic("6.1.0-44-amd64 SMP mod_unload ",
				   "6.1.0-44-amd64"));
	assert_false(parse_vermagic("6.1.0-44-amd64 SMP", "6.1.0-4"));
	assert_false(parse_vermagic("6.1.0-4 SMP", "6.1.0-44-amd64"));
	assert_false(parse_vermagic("", ""));
}

static void test_printable(void **unused)
{
	char text[] = "a\033[31m\nb\x7f\xc3\xa9\xff\xc2\x9b",
	     cut[] = "one\ntwo";

	(void)unused;
	parse_printable(text);
	assert_string_equal(text, "a?[31m?b?\xc3\xa9???");
	parse_first_line(cut);
	assert_string_equal(cut, "one");
}

static void test_verdict(void **unused)
{
	(void)unused;
	/* loaded, state, with fast_commit, cannot tell */
	assert_int_equal(parse_verdict(true, STATE_PROTECTED, 1, 1), 0);
	assert_int_equal(parse_verdict(false, STATE_UNKNOWN, 0, 0), 0);
	assert_int_equal(parse_verdict(false, STATE_UNKNOWN, 1, 0), 1);
	assert_int_equal(parse_verdict(false, STATE_UNKNOWN, 1, 1), 1);
	assert_int_equal(parse_verdict(false, STATE_UNKNOWN, 0, 1), 2);
	assert_int_equal(parse_verdict(true, STATE_UNKNOWN, 0, 0), 0);
	assert_int_equal(parse_verdict(true, STATE_UNKNOWN, 1, 0), 2);
	assert_int_equal(parse_verdict(true, STATE_MARK_ONLY, 1, 0), 1);
	assert_int_equal(parse_verdict(true, STATE_NOT_PROTECTED, 1, 0), 1);
	assert_int_equal(parse_verdict(true, STATE_NOT_PROTECTED, 0, 1), 2);
}

/* --- directories --- */

static char dir[32];

static const char *at(const char *name)
{
	static char path[4][256];
	static int i;

	i = (i + 1) % 4;
	snprintf(path[i], sizeof(path[i]), "%s/%s", dir, name);
	return path[i];
}

static void put(const char *name, const char *text)
{
	FILE *f = fopen(at(name), "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int setup(void **unused)
{
	(void)unused;
	snprintf(dir, sizeof(dir), "/tmp/ext4-fc-unit.XXXXXX");
	return mkdtemp(dir) && !mkdir(at("module"), 0700) &&
			       !mkdir(at("module/status"), 0700) &&
			       !mkdir(at("modules"), 0700) ?
		       0 :
		       -1;
}

static int teardown(void **unused)
{
	char command[300];

	(void)unused;
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

static void test_module(void **unused)
{
	struct module m = { .loaded = true };

	(void)unused;
	read_module(&m, at("module"));
	assert_int_equal(m.state, STATE_UNKNOWN);
	assert_non_null(strstr(m.text, "No such file"));
	assert_int_equal(m.counters[HOLDS], -1);

	put("module/version", "0.1\n");
	put("module/taint", "OE\n");
	put("module/status/state", ALL "\n");
	put("module/status/holds", "5\n");
	put("module/status/missed", "\033garbage");
	read_module(&m, at("module"));
	assert_int_equal(m.state, STATE_PROTECTED);
	assert_string_equal(m.version, "0.1");
	assert_true(m.unsigned_taint);
	assert_int_equal(m.counters[HOLDS], 5);
	assert_int_equal(m.counters[MISSED], -1);
}

static void test_kernels(void **unused)
{
	struct places fake = places;
	struct utsname uts;
	struct machine m;
	char line[1000];
	FILE *f;

	(void)unused;
	uname(&uts);
	snprintf(line, sizeof(line), "modules/%s", uts.release);
	mkdir(at("modules/6.9"), 0700);
	mkdir(at("modules/6.10"), 0700);
	mkdir(at("modules/gone"), 0700);
	mkdir(at(line), 0700);
	mkdir(at("modules/6.9/kernel"), 0700);
	mkdir(at("modules/6.10/kernel"), 0700);
	mkdir(at("modules/6.10/build"), 0700);
	strcat(line, "/kernel");
	mkdir(at(line), 0700);
	put("modules/6.10/build/Makefile", "");
	put("mountinfo", "25 1 8:1 / / rw - xfs /dev/sda1 rw\ngarbage\n");
	fake.lib_modules = at("modules");
	fake.mountinfo = at("mountinfo");
	fake.known = dir;
	read_machine(&m, &fake);
	assert_int_equal(m.nr_kernels, 3);
	assert_string_equal(m.fs_error, "");
	assert_int_equal(m.nr_fs, 0);
	assert_int_equal(m.fixed, -1);

	f = fmemopen(line, sizeof(line), "w");
	report_line(f, &m);
	fclose(f);
	assert_non_null(strstr(line, "OK: not needed, no mounted ext4 has"));
	assert_non_null(strstr(line, "not protected on 6.9: headers missing"));
	assert_non_null(strstr(line, "on 6.10: no module is built for it\n"));
	free_machine(&m);

	put("ext4-fc-resize-fix", "unfixed\n");
	fake.mountinfo = at("nothing");
	read_machine(&m, &fake);
	assert_int_equal(m.fixed, 0);
	assert_non_null(strstr(m.fs_error, "No such file"));
	assert_int_equal(machine_verdict(&m), VERDICT_UNKNOWN);
	free_machine(&m);
}

/* A device that cannot be opened, a name that would control the terminal */
static void test_mounts(void **unused)
{
	struct places fake = places;
	struct json_object *o, *list, *value;
	static char text[20000];
	struct machine m;
	FILE *f;

	(void)unused;
	put("mountinfo", "25 1 99:1 / /a\\033[2J rw - ext4 /dev/nothing rw\n"
			 "26 1 99:1 /x /b rw - ext4 /dev/nothing rw\n"
			 "27 1 99:2 / /c rw - ext4 /dev/null rw\n");
	put("fstab",
	    "UUID=1 / ext4 defaults 0 1\ngarbage\n/dev/x /c ext4 rw 0 2\n");
	fake.mountinfo = at("mountinfo");
	fake.fstab = at("fstab");
	fake.proc = dir;
	fake.lib_modules = at("nothing");
	read_machine(&m, &fake);
	assert_int_equal(m.nr_fs, 2);
	assert_string_equal(m.fs[0].dir, "/a?[2J");
	assert_int_equal(m.fs[0].fast_commit, -1);
	assert_int_equal(m.fs[1].fast_commit, -1);
	assert_false(m.fs[0].checked_at_boot);
	assert_true(m.fs[1].checked_at_boot);
	assert_int_equal(machine_verdict(&m), VERDICT_UNKNOWN);

	f = fmemopen(text, sizeof(text), "w");
	assert_int_equal(report_json(f, &m), 0);
	fclose(f);
	o = json_tokener_parse(text);
	assert_non_null(o);
	assert_true(json_object_object_get_ex(o, "filesystems", &list));
	assert_int_equal(json_object_array_length(list), 2);
	assert_true(json_object_object_get_ex(o, "verdict", &value));
	assert_string_equal(json_object_get_string(value), "UNKNOWN");
	json_object_put(o);

	f = fmemopen(text, sizeof(text), "w");
	report_table(f, &m, false);
	fclose(f);
	assert_null(strchr(text, '\033'));
	assert_non_null(strstr(text, "not known (No such file"));
	f = fmemopen(text, sizeof(text), "w");
	report_table(f, &m, true);
	fclose(f);
	assert_non_null(strstr(text, "\033[33mnot known\033[0m"));
	free_machine(&m);

	put("cmdline", "quiet fsck.mode=skip\n");
	read_machine(&m, &fake);
	assert_int_equal(m.nr_fs, 2);
	assert_false(m.fs[1].checked_at_boot);
	free_machine(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_state),
		cmocka_unit_test(test_count),
		cmocka_unit_test(test_fc_info),
		cmocka_unit_test(test_vermagic),
		cmocka_unit_test(test_printable),
		cmocka_unit_test(test_verdict),
		cmocka_unit_test(test_module),
		cmocka_unit_test(test_kernels),
		cmocka_unit_test(test_mounts),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, setup, teardown);
}
