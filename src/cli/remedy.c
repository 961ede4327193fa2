// SPDX-License-Identifier: GPL-2.0
/*
 * Why the module does not protect, and what to do about it
 *
 * The command that is named must be one that helps here: each is chosen by what
 * is on this machine, and where nothing is known, none is named.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "remedy.h"

/* The states that src/module/sysfs.c has now; others are shown as they are */
static const struct {
	const char *token, *text;
	const char *parameter; /* to load it with */
	const char *help; /* where that does not help; NULL: switch_on() */
} states[] = {
	{ "protected", "protected", "", NULL },
	{ "mark-only",
	  "loaded with hold=0: upstream's fix only, a resize can hang or lose data",
	  " hold=1", NULL },
	{ "not-protected:disabled", "not protected: loaded with disable=1",
	  " disable=0", NULL },
	{ "not-protected:hooks-off", "not protected: its hooks are off", NULL,
	  NULL },
	{ "not-protected:calls-lost",
	  "not protected: something else that hooks the same functions takes its calls",
	  NULL, "end that tracer or bpf program (bpftool link) and reboot" },
};

static int find_state(const struct module *m)
{
	int i = sizeof(states) / sizeof(*states) - 1;

	while (i >= 0 && strcmp(states[i].token, m->text))
		i--;
	return i;
}

const char *state_text(const struct module *m)
{
	int i = find_state(m);

	return i < 0 ? m->text : states[i].text;
}

static bool exists(const char *path)
{
	return !access(in_root("%s", path).text, F_OK);
}

/* --- no module for a kernel --- */

const char *why_not_built(const struct kernel *k)
{
	if (k->found)
		return "its module was built for another kernel";
	return k->headers ? "no module is built for it" : "headers missing";
}

/* The first line of what a command says; false if there is none */
static bool ask(char *answer, size_t size, const char *format,
		const char *release)
{
	char command[600];
	bool good;
	FILE *p;
	int n;

	n = snprintf(command, sizeof(command), format, release, release);
	snprintf(command + n, sizeof(command) - n, " 2>/dev/null");
	p = popen(command, "re");
	if (!p)
		return false;
	good = fgets(answer, size, p);
	pclose(p);
	if (!good)
		return false;
	parse_first_line(answer);
	return true;
}

/* "apt-get install linux-headers-6.1.0-44-amd64"; false: not known */
static bool get_headers(char *command, size_t size, const char *release)
{
	static const char dpkg[] =
		"dpkg-query -S /boot/vmlinuz-%s /usr/lib/modules/%s/vmlinuz";
	static const char rpm[] =
		"rpm -qf --qf '%%{NAME}\\n' /lib/modules/%s/vmlinuz /boot/vmlinuz-%s";
	char owner[200], headers[300];
	const char *get, *p;

	/* It goes to a shell, and is no more than the name of a directory */
	for (p = release; *p; p++) {
		if (!isalnum((unsigned char)*p) && !strchr("._+~-", *p))
			return false;
	}
	if (ask(owner, sizeof(owner), dpkg, release)) {
		owner[strcspn(owner, ":,")] = '\0';
		get = "apt-get install";
	} else if (exists("/usr/bin/dnf") &&
		   ask(owner, sizeof(owner), rpm, release)) {
		get = "dnf install";
	} else {
		return false;
	}
	if (!parse_headers(headers, sizeof(headers), owner, release))
		return false;
	snprintf(command, size, "%s %s", get, headers);
	return true;
}

/* Of our sources that DKMS builds from; empty: there are none */
static void source_version(char *version, size_t size)
{
	struct path pattern = in_root("/usr/src/" MODULE "-*/dkms.conf");
	glob_t found;
	char *end;

	*version = '\0';
	if (!glob(pattern.text, 0, NULL, &found)) {
		char *last = found.gl_pathv[found.gl_pathc - 1];

		end = strrchr(last, '/');
		*end = '\0';
		snprintf(version, size, "%s",
			 strrchr(last, '/') + strlen("/" MODULE "-"));
		parse_printable(version);
	}
	globfree(&found);
}

void remedy_build(FILE *to, const struct kernel *k)
{
	char version[64], command[600];

	fprintf(to, "%s: ", why_not_built(k));
	source_version(version, sizeof(version));
	if (!*version)
		fputs("DKMS does not have the module, install " COMMAND
		      "-dkms or run make install",
		      to);
	else if (k->headers && !exists("/usr/sbin/dkms"))
		fputs("dkms is missing, install it", to);
	else if (k->headers || k->found)
		fprintf(to, "dkms install %s" MODULE "/%s -k %s",
			k->found ? "--force " : "", version, k->release);
	else if (get_headers(command, sizeof(command), k->release))
		fputs(command, to);
	else
		fputs("install them from where this kernel is from", to);
}

/* --- a module that cannot be loaded --- */

static bool no_more_modules(void)
{
	char buf[16];

	read_file(in_root("/proc/sys/kernel/modules_disabled"), buf,
		  sizeof(buf));
	return *buf == '1';
}

/* What takes the place of the one that is loaded */
void remedy_reload(FILE *to, const char *parameter)
{
	if (no_more_modules())
		fputs("reboot, kernel.modules_disabled=1 lets no other one in",
		      to);
	else
		fprintf(to, "rmmod " MODULE ", modprobe " MODULE "%s",
			parameter);
}

#define ENFORCE "/sys/module/module/parameters/sig_enforce"
#define LOCKDOWN "/sys/kernel/security/lockdown"
#define SECURE_BOOT \
	"/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"

/* -1: this kernel does not have that file */
static int locked_down(void)
{
	char buf[100];

	if (read_file(in_root(LOCKDOWN), buf, sizeof(buf)))
		return -1;
	return !strstr(buf, "[none]");
}

/* The hooks; debugfs cannot be written under lockdown */
static const char *switch_on(void)
{
	return locked_down() > 0 ? "reboot" :
				   "echo 1 >/sys/kernel/debug/kprobes/enabled";
}

/* Does this kernel take signed modules only? */
static bool wants_signature(void)
{
	int locked = locked_down();
	char buf[100] = "";

	read_file(in_root(ENFORCE), buf, sizeof(buf));
	if (*buf == 'Y')
		return true;
	if (locked >= 0)
		return locked;
	/* After four bytes of attributes: 1, on */
	read_file(in_root(SECURE_BOOT), buf, sizeof(buf));
	return buf[0] && buf[4] == 1;
}

/* Does the kernel know the signer's key? Yes where nobody can tell */
static bool knows_key(const char *signer)
{
	FILE *keys = fopen(in_root("/proc/keys").text, "re");
	bool any = false, known = false, is_signer;
	char *line = NULL;
	size_t size = 0;

	while (keys && !known && getline(&line, &size, keys) > 0) {
		any |= parse_key(line, signer, &is_signer);
		known = is_signer;
	}
	free(line);
	if (keys)
		fclose(keys);
	return known || !any || !*signer;
}

#define UBUNTU_KEY "/var/lib/shim-signed/mok/MOK.der"
#define DKMS_KEY "/var/lib/dkms/mok.pub"
#define ENROL \
	", Secure Boot does not know its key (%s): mokutil --import %s, reboot and confirm"
#define NO_UEFI \
	", the kernel does not know its key (%s), and there is no UEFI to enroll it with: boot without lockdown= and module.sig_enforce"

/* Of a module that is there for the running kernel */
void remedy_load(FILE *to, const struct kernel *k)
{
	fputs("not loaded", to);
	if (no_more_modules())
		fputs(", and kernel.modules_disabled=1 keeps all modules out: reboot",
		      to);
	else if (wants_signature() && !k->is_signed)
		fputs(", this kernel wants it signed: install openssl, build it again",
		      to);
	else if (wants_signature() && !knows_key(k->signer) &&
		 !exists("/sys/firmware/efi"))
		fprintf(to, NO_UEFI, k->signer);
	else if (wants_signature() && !knows_key(k->signer))
		fprintf(to, ENROL, k->signer,
			exists(UBUNTU_KEY) ? UBUNTU_KEY : DKMS_KEY);
	else
		fputs(": modprobe " MODULE, to);
}

/* Of a machine that is not protected */
void remedy(FILE *to, const struct machine *m)
{
	const struct kernel *k = running_kernel(m);
	int i = find_state(&m->module);

	if (m->module.loaded && m->module.state == STATE_UNKNOWN) {
		fprintf(to, "what the module says is not understood (%s)",
			m->module.text);
	} else if (m->module.loaded) {
		fputs(state_text(&m->module), to);
		if (i >= 0)
			fputs(": ", to);
		if (i >= 0 && states[i].parameter)
			remedy_reload(to, states[i].parameter);
		else if (i >= 0)
			fputs(states[i].help ? states[i].help : switch_on(),
			      to);
	} else if (!k) {
		fprintf(to,
			"not protected on %s: no modules for it are here, %s",
			m->release,
			m->nr_kernels ? "reboot" :
					"in a container? run this on the host");
	} else if (not_built(k)) {
		fprintf(to, "not protected on %s: ", k->release);
		remedy_build(to, k);
	} else {
		fputs("the module is ", to);
		remedy_load(to, k);
	}
}
