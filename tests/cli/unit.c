// SPDX-License-Identifier: GPL-2.0
/*
 * Unit tests of the command, without root: what it makes of text, of a tree with
 * the files of a machine, and what it then says.
 */
#define _GNU_SOURCE
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
#include <wchar.h>

#include "../../src/cli/remedy.h"
#include "../../src/cli/report.h"

static void test_state(void **unused)
{
	(void)unused;
	assert_int_equal(parse_state("protected"), STATE_PROTECTED);
	assert_int_equal(parse_state("mark-only"), STATE_MARK_ONLY);
	assert_int_equal(parse_state("not-protected:disabled"),
			 STATE_NOT_PROTECTED);
	/* Of a newer module: what comes before the colon decides */
	assert_int_equal(parse_state("not-protected:moon"),
			 STATE_NOT_PROTECTED);
	assert_int_equal(parse_state("protected:by-magic"), STATE_PROTECTED);
	assert_int_equal(parse_state("protectedness"), STATE_UNKNOWN);
	assert_int_equal(parse_state("magic"), STATE_UNKNOWN);
	assert_int_equal(parse_state(""), STATE_UNKNOWN);
	/* Of the first version */
	assert_int_equal(parse_state("protected (mark, hold, full commit)"),
			 STATE_PROTECTED);
	assert_int_equal(parse_state("protected (mark, hold=0)"),
			 STATE_MARK_ONLY);
	assert_int_equal(parse_state("not protected: hooks are off"),
			 STATE_NOT_PROTECTED);
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
	assert_int_equal(parse_verdict(false, STATE_UNKNOWN, 1, 0), 2);
	assert_int_equal(parse_verdict(false, STATE_UNKNOWN, 1, 1), 2);
	assert_int_equal(parse_verdict(false, STATE_UNKNOWN, 0, 1), 3);
	assert_int_equal(parse_verdict(true, STATE_UNKNOWN, 0, 0), 0);
	assert_int_equal(parse_verdict(true, STATE_UNKNOWN, 1, 0), 3);
	assert_int_equal(parse_verdict(true, STATE_MARK_ONLY, 1, 0), 2);
	assert_int_equal(parse_verdict(true, STATE_NOT_PROTECTED, 1, 0), 2);
	assert_int_equal(parse_verdict(true, STATE_NOT_PROTECTED, 0, 1), 3);
}

static void test_recovery(void **unused)
{
	struct ext2_super_block super = { 0 };
	const char *why = NULL;

	(void)unused;
	ext2fs_set_feature_journal_needs_recovery(&super);
	assert_int_equal(parse_recovery(&super, &why), RECOVERY_NOT_NEEDED);
	assert_string_equal(why, "no fast_commit");
	ext2fs_set_feature_fast_commit(&super);
	why = NULL;
	assert_int_equal(parse_recovery(&super, &why), RECOVERY_BY_KERNEL);
	assert_null(why);
	super.s_state = EXT2_VALID_FS;
	assert_int_equal(parse_recovery(&super, &why), RECOVERY_BY_KERNEL);
	super.s_state |= EXT2_ERROR_FS;
	assert_int_equal(parse_recovery(&super, &why), RECOVERY_BY_E2FSCK);
	assert_string_equal(why, "it has errors, e2fsck has to repair them");
	/* Nothing to recover: the errors are e2fsck's business alone */
	ext2fs_clear_feature_journal_needs_recovery(&super);
	assert_int_equal(parse_recovery(&super, &why), RECOVERY_NOT_NEEDED);
	assert_string_equal(why, "it needs no recovery");
}

static void headers(const char *image, const char *release, const char *want)
{
	char got[200] = "not known";

	parse_headers(got, sizeof(got), image, release);
	assert_string_equal(got, want);
}

static void test_headers(void **unused)
{
	(void)unused;
	headers("linux-image-6.1.0-44-amd64", "6.1.0-44-amd64",
		"linux-headers-6.1.0-44-amd64");
	headers("linux-image-6.1.0-44-amd64-unsigned", "6.1.0-44-amd64",
		"linux-headers-6.1.0-44-amd64");
	headers("linux-binary-7.3.4+deb13-amd64", "7.3.4+deb13-amd64",
		"linux-headers-7.3.4+deb13-amd64");
	headers("linux-image-unsigned-6.8.0-1014-aws", "6.8.0-1014-aws",
		"linux-headers-6.8.0-1014-aws");
	headers("proxmox-kernel-6.8.4-2-pve-signed", "6.8.4-2-pve",
		"proxmox-headers-6.8.4-2-pve");
	headers("pve-kernel-5.15.30-2-pve", "5.15.30-2-pve",
		"pve-headers-5.15.30-2-pve");
	headers("kernel-core", "6.5.6-300.fc39.x86_64",
		"kernel-devel-6.5.6-300.fc39.x86_64");
	headers("kernel-uek-core", "5.15.0-1.el9uek.x86_64",
		"kernel-uek-devel-5.15.0-1.el9uek.x86_64");
	headers("file /lib/modules/1 is not owned by any package", "1",
		"not known");
	headers("raspberrypi-kernel", "6.1.21-v8+", "not known");
	headers("", "", "not known");
}

#define KEY(type, name) \
	"0a1b2c3d I------ 1 perm 1f030000 0 0 " type " " name "\n"
#define DKMS_KEY "DKMS module signing key"
#define OUR_KEY KEY("asymmetri", "Acme: " DKMS_KEY ": 12ab: X509.rsa []")

static void test_key(void **unused)
{
	static const char line[] = OUR_KEY;
	bool is_signer;

	(void)unused;
	assert_true(parse_key(line, DKMS_KEY, &is_signer));
	assert_true(is_signer);
	assert_true(parse_key(line, "module signing key", &is_signer));
	assert_true(is_signer);
	assert_true(parse_key(line, "DKMS module", &is_signer));
	assert_false(is_signer);
	assert_true(parse_key(line, "", &is_signer));
	assert_false(is_signer);
	assert_false(parse_key(KEY("keyring  ", ".machine: 1"), ".machine",
			       &is_signer));
	assert_false(is_signer);
}

static void test_log(void **unused)
{
	char name[8];

	(void)unused;
	assert_string_equal(parse_ext4_log("6,1,2,-;EXT4-fs (dm-0): resizing",
					   name, sizeof(name)),
			    "resizing");
	assert_string_equal(name, "dm-0");
	assert_null(parse_ext4_log("6,1,;EXT4-fs (dm-0", name, sizeof(name)));
	assert_null(parse_ext4_log("6,1,2,-;EXT4-fs: x", name, sizeof(name)));
	assert_null(parse_ext4_log("", name, sizeof(name)));
}

/* --- a machine's files --- */

static char dir[32];
static struct utsname uts;

static void put(const char *text, const char *format, ...)
{
	char path[600], command[700];
	va_list args;
	FILE *f;
	int n = snprintf(path, sizeof(path), "%s", dir);

	va_start(args, format);
	vsnprintf(path + n, sizeof(path) - n, format, args);
	va_end(args);
	snprintf(command, sizeof(command), "mkdir -p '%.*s'",
		 (int)(strrchr(path, '/') - path), path);
	assert_int_equal(system(command), 0);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void gone(const char *name)
{
	char command[700];

	snprintf(command, sizeof(command), "rm -r '%s%s'", dir, name);
	assert_int_equal(system(command), 0);
}

#define MOD "/sys/module/" MODULE

static void put_module(const char *state)
{
	put("live\n", MOD "/initstate");
	put("test\n", MOD "/version");
	put("OE\n", MOD "/taint");
	put(state, MOD "/status/state");
	put("5\n", MOD "/status/holds");
	put("1\n", MOD "/status/holds_failed");
	put("0\n", MOD "/status/unprotected");
	put("0\n", MOD "/status/missed");
}

/*
 * Each test has a machine with one kernel, the one that runs, with headers,
 * and no ext4. An image with fast_commit can be mounted elsewhere as sdz.
 */
static int setup(void **unused)
{
	(void)unused;
	snprintf(dir, sizeof(dir), "/tmp/ext4-fc-unit.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	root = dir;
	uname(&uts);
	put("25 1 8:1 / / rw - xfs /dev/sda1 rw\ngarbage\n",
	    "/proc/self/mountinfo");
	put("", "/lib/modules/%s/kernel/x", uts.release);
	put("", "/lib/modules/%s/build/Makefile", uts.release);
	return 0;
}

static int teardown(void **unused)
{
	char command[300];

	(void)unused;
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

static void put_fast_commit(void)
{
	char command[300];

	put("\"Resize\":\t2\n", "/proc/fs/ext4/sdz/fc_info");
	put("", "/dev/sdz");
	setenv("PATH", "/usr/bin:/bin:/usr/sbin:/sbin", 1);
	snprintf(command, sizeof(command),
		 "mke2fs -q -F -t ext4 -O fast_commit %s/dev/sdz 8M", dir);
	assert_int_equal(system(command), 0);
}

static char text[20000];

static enum verdict line_of(struct machine *m)
{
	enum verdict verdict;
	FILE *f = fmemopen(text, sizeof(text), "w");

	read_machine(m);
	report_line(f, m);
	fclose(f);
	verdict = machine_verdict(m);
	free_machine(m);
	return verdict;
}

/* The one line, and its exit status */
static void says(enum verdict want, const char *what)
{
	struct machine m;
	enum verdict got = line_of(&m);

	if (got != want || !strstr(text, what))
		fail_msg("%d: %s\nwanted: %d: %s", got, text, want, what);
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void table(int width, bool colour)
{
	FILE *f = fmemopen(text, sizeof(text), "w");
	struct machine m;

	read_machine(&m);
	report_table(f, &m, colour, width);
	fclose(f);
	free_machine(&m);
}

static void test_module(void **unused)
{
	struct module m = { 0 };

	(void)unused;
	read_module(&m);
	assert_false(m.loaded);
	put("live\n", MOD "/initstate");
	read_module(&m);
	assert_true(m.loaded);
	assert_int_equal(m.state, STATE_UNKNOWN);
	assert_non_null(strstr(m.text, "No such file"));
	assert_int_equal(m.counters[COUNTER_holds], -1);
	assert_int_equal(m.params[PARAM_OVERLAP], -1);

	put_module("protected\n");
	put("\033garbage", MOD "/status/missed");
	put("N\n", MOD "/parameters/hold");
	read_module(&m);
	assert_int_equal(m.state, STATE_PROTECTED);
	assert_string_equal(m.version, "test");
	assert_true(m.unsigned_taint);
	assert_int_equal(m.counters[COUNTER_holds], 5);
	assert_int_equal(m.counters[COUNTER_missed], -1);
	assert_int_equal(m.params[PARAM_HOLD], 0);
}

/* States are shown in words; those of another version as they are */
static void test_states(void **unused)
{
	(void)unused;
	put_fast_commit();
	put_module("protected\n");
	says(VERDICT_WARNING,
	     "WARNING: protected; not protected after a reboot: no module is built");
	put("mark-only\n", MOD "/status/state");
	says(VERDICT_EXPOSED, "loaded with hold=0: upstream's fix only");
	put("not-protected:disabled\n", MOD "/status/state");
	says(VERDICT_EXPOSED,
	     "not protected: loaded with disable=1: rmmod " MODULE
	     ", modprobe " MODULE " disable=0");
	put("1\n", "/proc/sys/kernel/modules_disabled");
	says(VERDICT_EXPOSED, "disable=1: reboot, kernel.modules_disabled=1");
	put("not-protected:calls-lost\n", MOD "/status/state");
	says(VERDICT_EXPOSED, "bpf");
	put("not-protected:hooks-off\n", MOD "/status/state");
	says(VERDICT_EXPOSED, ": echo 1 >/sys/kernel/debug/kprobes/enabled");
	put("none integrity [confidentiality]\n",
	    "/sys/kernel/security/lockdown");
	says(VERDICT_EXPOSED, "not protected: its hooks are off: reboot");
	put("not-protected:moon\n", MOD "/status/state");
	says(VERDICT_EXPOSED, "not-protected:moon");
	put("moon\n", MOD "/status/state");
	says(VERDICT_UNKNOWN, "not understood (moon)");
	put("not protected: hooks are off\n", MOD "/status/state");
	says(VERDICT_EXPOSED, "not protected: hooks are off");
	/* Of an ext4 without fast_commit: not needed, whatever it says */
	gone("/proc/fs");
	says(VERDICT_OK, "not needed");
}

/* What is in the past, and figures for monitoring */
static void test_history(void **unused)
{
	(void)unused;
	put_module("protected\n");
	says(VERDICT_OK,
	     "OK: protected | holds=5 refused=1 unprotected=0 missed=0\n");
	put("5\n", MOD "/status/unprotected");
	says(VERDICT_OK,
	     "OK: protected | holds=5 refused=1 unprotected=5 missed=0\n");
	put("3\n", MOD "/status/missed");
	says(VERDICT_WARNING,
	     "protected; the module has missed 3 calls: please report this |");
	put("many\n", MOD "/status/missed");
	says(VERDICT_OK, "missed=U\n");
	put("0\n", MOD "/status/missed");
	put_fast_commit();
	says(VERDICT_WARNING, "protected; unprotected resizes: 5, see status;");
}

static void test_kernels(void **unused)
{
	struct machine m;

	(void)unused;
	put("", "/lib/modules/6.9/kernel/x");
	put("", "/lib/modules/6.10/kernel/x");
	put("", "/lib/modules/6.10/build/Makefile");
	put("", "/lib/modules/999/kernel/x");
	put("", "/lib/modules/gone/x");
	read_machine(&m);
	assert_int_equal(m.nr_kernels, 4);
	assert_string_equal(m.fs_error, "");
	assert_int_equal(m.nr_fs, 0);
	assert_int_equal(m.fixed, -1);
	free_machine(&m);

	/* Of no interest to those who have no fast_commit */
	says(VERDICT_OK, "OK: not needed, no mounted ext4 has fast_commit\n");
	put_fast_commit();
	says(VERDICT_EXPOSED,
	     "; not protected on 6.9: headers missing; not protected on 6.10: no module is built for it;");
	put_module("protected\n");
	says(VERDICT_WARNING, "; not protected on 999: headers missing: ");
	table(0, false);
	assert_non_null(strstr(text, "\n6.10          not protected  no "));
	/* Without Secure Boot it does not matter, and with it we would not be here */
	assert_null(strstr(text, "signature"));

	put("unfixed\n", KNOWN);
	gone("/proc/self");
	read_machine(&m);
	assert_int_equal(m.fixed, 0);
	assert_non_null(strstr(m.fs_error, "No such file"));
	free_machine(&m);
	gone("/proc/fs");
	gone(MOD);
	says(VERDICT_UNKNOWN, "/proc/self/mountinfo: No such file");
}

/* A program of the machine: what it answers */
static void put_program(const char *name, const char *script)
{
	char path[300];

	put(script, "/usr/bin/%s", name);
	snprintf(path, sizeof(path), "%s/usr/bin/%s", dir, name);
	chmod(path, 0700);
}

/* One remedy after the other, each when what comes before is done */
static void test_remedy(void **unused)
{
	char path[300], want[700], *old = strdup(getenv("PATH"));

	(void)unused;
	put_fast_commit();
	snprintf(path, sizeof(path), "%s/usr/bin:/usr/bin:/bin", dir);
	setenv("PATH", path, 1);
	gone("/lib/modules");
	says(VERDICT_EXPOSED,
	     "/dev/sdz (mounted elsewhere) has fast_commit, not protected on ");
	assert_non_null(strstr(text, "in a container? run this on the host\n"));
	put("", "/lib/modules/1.0/kernel/x");
	says(VERDICT_EXPOSED,
	     "no modules for it are here, reboot; not protected on 1.0: headers missing");
	gone("/lib/modules");
	put("", "/lib/modules/%s/kernel/x", uts.release);
	says(VERDICT_EXPOSED,
	     "headers missing: DKMS does not have the module, install ext4-fc-resize-fix-dkms or run make install\n");

	put("", "/usr/src/" MODULE "-0.3/dkms.conf");
	put_program("dpkg-query", "#!/bin/sh\nexit 1\n");
	put_program("rpm", "#!/bin/sh\necho kernel-core\n");
	says(VERDICT_EXPOSED,
	     "headers missing: install them from where this kernel is from\n");
	put("", "/usr/bin/dnf");
	snprintf(want, sizeof(want),
		 "headers missing: dnf install kernel-devel-%s\n", uts.release);
	says(VERDICT_EXPOSED, want);
	put_program("dpkg-query",
		    "#!/bin/sh\n"
		    "[ \"$1$2\" = \"-S/boot/vmlinuz-$(uname -r)\" ] &&\n"
		    "echo proxmox-kernel-$(uname -r)-signed: $2\n");
	snprintf(want, sizeof(want),
		 "headers missing: apt-get install proxmox-headers-%s\n",
		 uts.release);
	says(VERDICT_EXPOSED, want);

	put("", "/lib/modules/%s/build/Makefile", uts.release);
	says(VERDICT_EXPOSED,
	     "no module is built for it: dkms is missing, install it\n");
	put("", "/usr/sbin/dkms");
	snprintf(want, sizeof(want),
		 "no module is built for it: dkms install " MODULE
		 "/0.3 -k %s\n",
		 uts.release);
	says(VERDICT_EXPOSED, want);

	setenv("PATH", old, 1);
	free(old);
}

static void helps(struct kernel *k, const char *want)
{
	struct machine m = { .kernels = k, .nr_kernels = 1 };
	FILE *f = fmemopen(text, sizeof(text), "w");

	remedy(f, &m);
	fclose(f);
	assert_string_equal(text, want);
}

#define NOT_LOADED "the module is not loaded"
#define MODPROBE NOT_LOADED ": modprobe " MODULE
#define EFIVARS "/sys/firmware/efi/efivars/"
#define SECURE_BOOT "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"

/* The same where the module is there, of which libkmod reads what is put here */
static void test_remedy_load(void **unused)
{
	struct kernel k = {
		.release = uts.release,
		.running = true,
		.found = true,
		.is_signed = true,
		.signer = DKMS_KEY,
	};
	char want[700];

	(void)unused;
	put("", "/usr/src/" MODULE "-0.3/dkms.conf");
	snprintf(want, sizeof(want), "not protected on %s: %s: %s/0.3 -k %s",
		 uts.release, "its module was built for another kernel",
		 "dkms install --force " MODULE, uts.release);
	helps(&k, want);
	k.matches = true;
	helps(&k, MODPROBE);

	/* Where no key can be seen, nobody knows that ours is not there */
	put("none [integrity] confidentiality\n",
	    "/sys/kernel/security/lockdown");
	helps(&k, MODPROBE);
	put(KEY("asymmetri", "Debian CA: 6cce: X509.rsa []"), "/proc/keys");
	helps(&k, NOT_LOADED
	      ", the kernel does not know its key (" DKMS_KEY
	      "), and there is no UEFI to enroll it with: boot without lockdown= and module.sig_enforce");
	put("\6---\1", EFIVARS SECURE_BOOT);
	helps(&k, NOT_LOADED
	      ", Secure Boot does not know its key (" DKMS_KEY
	      "): mokutil --import /var/lib/dkms/mok.pub, reboot and confirm");
	put("", "/var/lib/shim-signed/mok/MOK.der");
	helps(&k, NOT_LOADED
	      ", Secure Boot does not know its key (" DKMS_KEY
	      "): mokutil --import /var/lib/shim-signed/mok/MOK.der, reboot and confirm");
	put("[none] integrity confidentiality\n",
	    "/sys/kernel/security/lockdown");
	helps(&k, MODPROBE);

	/* A kernel without that file */
	gone("/sys/kernel");
	put("\6---\2", EFIVARS SECURE_BOOT);
	helps(&k, MODPROBE);
	put("\6---\1", EFIVARS SECURE_BOOT);
	k.signer[0] = '\0'; /* libkmod may be one without OpenSSL */
	helps(&k, MODPROBE);
	k.is_signed = false;
	helps(&k, NOT_LOADED
	      ", this kernel wants it signed: install openssl, build it again");
	k.is_signed = true;
	snprintf(k.signer, sizeof(k.signer), DKMS_KEY);
	put(OUR_KEY, "/proc/keys");
	helps(&k, MODPROBE);

	put("1\n", "/proc/sys/kernel/modules_disabled");
	helps(&k, NOT_LOADED
	      ", and kernel.modules_disabled=1 keeps all modules out: reboot");
}

/* Another mount namespace has it: the kernel lists it, our mounts do not */
static void test_elsewhere(void **unused)
{
	struct machine m;

	(void)unused;
	put("", "/proc/fs/ext4/sdy/fc_info");
	says(VERDICT_UNKNOWN,
	     "/dev/sdy (mounted elsewhere) has fast_commit: No such file");
	gone("/proc/fs");
	put_fast_commit();
	says(VERDICT_EXPOSED,
	     "/dev/sdz (mounted elsewhere) has fast_commit, not protected on ");
	read_machine(&m);
	assert_int_equal(m.nr_fs, 1);
	assert_int_equal(m.fs[0].fast_commit, 1);
	assert_int_equal(m.fs[0].marks, 2);
	assert_null(m.fs[0].dir);
	free_machine(&m);
	table(0, false);
	assert_non_null(strstr(text, "(elsewhere)  on           exposed"));
}

/* A resize before the module was there, if the log has both */
static void test_resized_before(void **unused)
{
	static const char resize[] =
		"6,1,1,-;EXT4-fs (sdz): resizing filesystem from 1 to 2 blocks\n";
	static const char load[] =
		"6,2,2,-;" MODULE
		": ext4 online resize on 6.1 (ext4 module) is protected\n";
	static const char unload[] =
		"6,3,3,-;" MODULE
		": unloaded: ext4 online resize is not protected any more\n";
	static const char mount[] =
		"6,4,4,-;EXT4-fs (sdz): mounted filesystem with ordered data mode\n";
	static const struct {
		const char *log[4];
		bool before;
	} logs[] = {
		{ { resize, load }, true },
		{ { load, resize }, false },
		{ { resize }, false }, /* who knows when it was loaded? */
		{ { load, unload, resize, load }, true },
		{ { resize, mount, load }, false }, /* another filesystem */
		{ { load, unload, load, resize }, false },
	};
	size_t i, j;

	(void)unused;
	put_fast_commit();
	put_module("protected\n");
	for (i = 0; i < sizeof(logs) / sizeof(*logs); i++) {
		char log[1000] = "";

		for (j = 0; j < 4 && logs[i].log[j]; j++)
			strcat(log, logs[i].log[j]);
		put(log, "/dev/kmsg");
		table(0, false);
		assert_int_equal(!!strstr(text, "resized before the module"),
				 logs[i].before);
	}
}

static void test_parameters(void **unused)
{
	(void)unused;
	put_module("mark-only\n");
	put("N\n", MOD "/parameters/disable");
	put("Y\n", MOD "/parameters/hold");
	table(0, false);
	assert_null(strstr(text, "parameters"));
	put("N\n", MOD "/parameters/hold");
	put("N\n", MOD "/parameters/overlap");
	put("N\n", MOD "/parameters/successor");
	table(0, false);
	assert_non_null(strstr(text, "hold=0 overlap=0 successor=0\n"));
}

/* A device that cannot be opened, a name that would control the terminal */
static void test_mounts(void **unused)
{
	struct json_object *o, *list, *value;
	struct machine m;
	FILE *f;

	(void)unused;
	put("25 1 99:1 / /a\\033[2J|x rw - ext4 /dev/nothing rw\n"
	    "26 1 99:1 /x /b rw - ext4 /dev/nothing rw\n"
	    "27 1 99:2 / /c rw - ext4 /dev/null rw\n",
	    "/proc/self/mountinfo");
	put("UUID=1 / ext4 defaults 0 1\ngarbage\n/dev/x /c ext4 rw 0 2\n",
	    "/etc/fstab");
	read_machine(&m);
	assert_int_equal(m.nr_fs, 2);
	assert_string_equal(m.fs[0].dir, "/a?[2J|x");
	assert_int_equal(m.fs[0].fast_commit, -1);
	assert_int_equal(m.fs[1].fast_commit, -1);
	assert_false(m.fs[0].checked_at_boot);
	assert_true(m.fs[1].checked_at_boot);
	assert_int_equal(machine_verdict(&m), VERDICT_UNKNOWN);

	f = fmemopen(text, sizeof(text), "w");
	assert_int_equal(report_json(f, &m), 0);
	fclose(f);
	assert_null(strstr(text, "\\/"));
	o = json_tokener_parse(text);
	assert_non_null(o);
	assert_true(json_object_object_get_ex(o, "filesystems", &list));
	assert_int_equal(json_object_array_length(list), 2);
	assert_true(json_object_object_get_ex(o, "verdict", &value));
	assert_string_equal(json_object_get_string(value), "UNKNOWN");
	assert_true(json_object_object_get_ex(o, "message", &value));
	assert_non_null(strstr(json_object_get_string(value),
			       "whether /dev/nothing has fast_commit"));
	json_object_put(o);

	/* In monitoring, figures come after a | */
	m.fs[0].fast_commit = 1;
	f = fmemopen(text, sizeof(text), "w");
	report_line(f, &m);
	fclose(f);
	assert_non_null(strstr(text, "EXPOSED: /a?[2J?x has fast_commit, "));
	free_machine(&m);

	table(0, false);
	assert_null(strchr(text, '\033'));
	assert_non_null(strstr(text, "not known         No such file"));
	table(0, true);
	assert_non_null(strstr(text, "\033[33mnot known"));

	put("quiet fsck.mode=skip\n", "/proc/cmdline");
	read_machine(&m);
	assert_int_equal(m.nr_fs, 2);
	assert_false(m.fs[1].checked_at_boot);
	free_machine(&m);
}

/* What the boot does to the root filesystem after a crash */
static void test_root(void **unused)
{
	static const struct {
		const char *words, *fstab;
		bool initramfs, checked, read_only;
	} boots[] = {
		{ "quiet ro", "/dev/sdz / ext4 rw 0 1\n", false, true, false },
		{ "quiet ro", "/dev/sdz / ext4 rw 0 0\n", false, false, false },
		{ "quiet ro", "/dev/sdz / ext4 rw 0 0\n", true, true, false },
		{ "quiet ro", "", true, false, false }, /* has no e2fsck then */
		{ "ro fsck.mode=skip", "/dev/sdz / ext4 rw 0 1\n", true, false,
		  true },
		{ "fastboot", "/dev/sdz / ext4 rw 0 1\n", true, false, true },
		{ "ro fsck.mode=skip rw", "/dev/sdz / ext4 rw 0 1\n", true,
		  false, false },
		{ "rw fsck.mode=skip ro", "/dev/sdz / ext4 rw 0 1\n", true,
		  false, true },
	};
	struct machine m;
	size_t i;
	FILE *f;

	(void)unused;
	put("25 1 99:1 / / rw - ext4 /dev/sdz rw\n", "/proc/self/mountinfo");
	for (i = 0; i < sizeof(boots) / sizeof(*boots); i++) {
		if (boots[i].initramfs)
			put("", "/usr/share/initramfs-tools/hooks/fsck");
		put(boots[i].words, "/proc/cmdline");
		put(boots[i].fstab, "/etc/fstab");
		read_machine(&m);
		assert_int_equal(m.nr_fs, 1);
		assert_int_equal(m.fs[0].checked_at_boot, boots[i].checked);
		assert_int_equal(m.fs[0].recovered_read_only,
				 boots[i].read_only);
		m.fs[0].fast_commit = 1;
		f = fmemopen(text, sizeof(text), "w");
		report_table(f, &m, false, 0);
		fclose(f);
		assert_int_equal(!!strstr(text, "\ne2fsck at boot can lose"),
				 boots[i].checked);
		assert_int_equal(!!strstr(text, "\nfsck.mode=skip needs rw"),
				 boots[i].read_only);
		free_machine(&m);
	}
}

/* With the hooks that let the kernel recover, and without, at the same boot */
static void test_kernel_first(void **unused)
{
	static const char first[] = "kernel recovers first",
			  e2fsck[] = "e2fsck at boot";
	char path[300];

	(void)unused;
	put_fast_commit();
	put("", "/sys/dev/block/x");
	snprintf(path, sizeof(path), "%s/sys/dev/block/99:1", dir);
	assert_int_equal(symlink("x/sdz", path), 0);
	put("25 1 99:1 / /c rw - ext4 /dev/nothing rw\n",
	    "/proc/self/mountinfo");
	put("/dev/x /c ext4 rw 0 2\n", "/etc/fstab");
	put("quiet\n", "/proc/cmdline");
	table(0, false);
	assert_non_null(strstr(text, "e2fsck at boot\n"));
	assert_non_null(strstr(text, "can lose what was fsynced"));

	put("", AT_BOOT);
	snprintf(path, sizeof(path), "%s" AT_BOOT, dir);
	chmod(path, 0700);
	table(0, false);
	assert_non_null(strstr(text, first));
	assert_null(strstr(text, e2fsck));
	put("quiet " NO_AT_BOOT "\n", "/proc/cmdline");
	table(0, false);
	assert_null(strstr(text, first));
	assert_non_null(strstr(text, e2fsck));

	/* Nothing checks it; but / an initramfs does, whatever its pass is */
	put("quiet\n", "/proc/cmdline");
	put("/dev/x /c ext4 rw 0 0\n", "/etc/fstab");
	table(0, false);
	assert_null(strstr(text, first));
	put("25 1 99:1 / / rw - ext4 /dev/nothing rw\n",
	    "/proc/self/mountinfo");
	table(0, false);
	assert_non_null(strstr(text, first));
}

/* The column, by what is seen, at which a word begins in the row with a name */
static int column(const char *row, const char *what)
{
	wchar_t seen[200];
	char *line = strstr(text, row) + 1, *found = strstr(line, what);
	char before[400];

	snprintf(before, sizeof(before), "%.*s", (int)(found - line), line);
	return wcswidth(seen, mbstowcs(seen, before, 200));
}

static void test_table(void **unused)
{
	char *line;

	(void)unused;
	put("25 1 99:1 / /srv/größe/データ rw - ext4 /dev/nothing rw\n"
	    "27 1 99:2 / / rw - ext4 /dev/null rw\n"
	    "28 1 99:3 / /srv/a-mount-point-that-is-long rw - ext4 /dev/mapper/a--volume--group-a--logical--volume rw\n",
	    "/proc/self/mountinfo");
	table(0, false);
	assert_int_equal(column("\n/dev/nothing", "?  "),
			 column("\nDEVICE", "FAST COMMIT"));
	assert_int_equal(column("\n/dev/null", "?  "),
			 column("\nDEVICE", "FAST COMMIT"));

	table(80, false);
	for (line = strtok(strstr(text, "\nDEVICE"), "\n"); line;
	     line = strtok(NULL, "\n")) {
		wchar_t seen[400];

		assert_in_range(wcswidth(seen, mbstowcs(seen, line, 400)), 1,
				80);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_state),
		cmocka_unit_test(test_count),
		cmocka_unit_test(test_fc_info),
		cmocka_unit_test(test_vermagic),
		cmocka_unit_test(test_printable),
		cmocka_unit_test(test_verdict),
		cmocka_unit_test(test_recovery),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_key),
		cmocka_unit_test(test_log),
		TEST(test_module),
		TEST(test_states),
		TEST(test_history),
		TEST(test_kernels),
		TEST(test_remedy),
		TEST(test_remedy_load),
		TEST(test_elsewhere),
		TEST(test_resized_before),
		TEST(test_parameters),
		TEST(test_mounts),
		TEST(test_root),
		TEST(test_kernel_first),
		TEST(test_table),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
