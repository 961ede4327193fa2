// SPDX-License-Identifier: GPL-2.0
/*
 * ext4-fc-resize-fix - is online resize of ext4 safe on this machine?
 */
#include <getopt.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gather.h"
#include "recover.h"
#include "report.h"
#include "selftest.h"

/* A wrong command line is "cannot tell" to monitoring */
#define USAGE VERDICT_UNKNOWN

struct args {
	bool json;
	int nr;
	char **words; /* after the command */
};

struct command {
	const char *name;
	bool json, words; /* what it takes */
	int (*run)(const struct args *args);
	const char *help;
};

static int run_status(const struct args *args)
{
	bool colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	struct machine m;
	int status = 0;

	read_machine(&m);
	if (!args->json)
		report_table(stdout, &m, colour, 0);
	else if (report_json(stdout, &m))
		status = VERDICT_UNKNOWN;
	free_machine(&m);
	return status;
}

static int run_check(const struct args *args)
{
	struct machine m;
	int status;

	read_machine(&m);
	status = machine_verdict(&m);
	if (!args->json)
		report_line(stdout, &m);
	else if (report_json(stdout, &m))
		status = VERDICT_UNKNOWN;
	free_machine(&m);
	return status;
}

static int selftest(const struct args *args)
{
	(void)args;
	return run_selftest();
}

static int run_recovery(const struct args *args)
{
	if (!args->nr) {
		fputs(COMMAND ": recover which device? See --help recover\n",
		      stderr);
		return USAGE;
	}
	return run_recover(args->nr, args->words);
}

static const struct command commands[] = {
	{ "status", true, false, run_status,
	  "Usage: ext4-fc-resize-fix status [--json]\n"
	  "\n"
	  "Shows the module, each mounted ext4 filesystem and the other installed\n"
	  "kernels.\n"
	  "\n"
	  "  -j, --json   the same for programs, see ext4-fc-resize-fix(8)\n" },
	{ "check", true, false, run_check,
	  "Usage: ext4-fc-resize-fix check [--json]\n"
	  "\n"
	  "Prints one line for monitoring. Exit status:\n"
	  "\n"
	  "  0  OK: protected, or not needed\n"
	  "  1  WARNING: the next boot will be unprotected, or something went wrong\n"
	  "  2  EXPOSED: a filesystem is not protected\n"
	  "  3  UNKNOWN: it cannot tell; also for a wrong command line\n"
	  "\n"
	  "  -j, --json   what status --json prints, with check's exit status\n" },
	{ "selftest", false, false, selftest,
	  "Usage: ext4-fc-resize-fix selftest\n"
	  "\n"
	  "Resizes a small image of its own, on a tmpfs, and looks at what the kernel and\n"
	  "the module do about it. Needs root. Exit status: 0 protected, 2 exposed,\n"
	  "3 cannot tell.\n" },
	{ "recover", false, true, run_recovery,
	  "Usage: ext4-fc-resize-fix recover DEVICE...\n"
	  "\n"
	  "Lets the kernel recover ext4 filesystems with fast_commit after a crash, before\n"
	  "e2fsck can lose some of it: mounts them where nobody sees it, and unmounts them.\n"
	  "Others, and those that need no recovery, are left alone. Not for a machine that\n"
	  "was hibernated. Exit status:\n"
	  "\n"
	  "  0  all are recovered, or there was nothing to do\n"
	  "  1  one still needs recovery: has errors, is read-only, cannot be mounted\n"
	  "  3  it cannot tell; also for a wrong command line\n" },
};

#define COMMANDS (sizeof(commands) / sizeof(*commands))

static const char help[] =
	"Usage: ext4-fc-resize-fix COMMAND [OPTION]\n"
	"\n"
	"Is online resize of ext4 with fast commit safe on this machine?\n"
	"\n"
	"  status           the module, each mounted ext4, other installed kernels\n"
	"  check            one line for monitoring; its exit status is 0 OK, 1 warning,\n"
	"                   2 exposed, 3 cannot tell\n"
	"  selftest         resizes a small image of its own and looks at what the kernel\n"
	"                   and the module do about it\n"
	"  recover DEVICE   after a crash: has the kernel recover it, before e2fsck\n"
	"\n"
	"  -j, --json       status and check: for programs\n"
	"  -h, --help       this, or of a command\n"
	"  -V, --version\n"
	"\n"
	"Run it as root: nobody else can see which filesystems have fast_commit.\n";

static const struct command *find_command(const char *name)
{
	size_t i;

	for (i = 0; i < COMMANDS; i++) {
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	}
	return NULL;
}

static int usage(const char *what, char *word)
{
	parse_printable(word);
	fprintf(stderr, COMMAND ": %s '%s', see " COMMAND " --help\n", what,
		word);
	return USAGE;
}

/* A reader that is gone, or a full disk, must not look like an answer */
static int done(int status)
{
	if (fflush(stdout) || ferror(stdout)) {
		perror(COMMAND ": cannot write");
		return VERDICT_UNKNOWN;
	}
	return status;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 },
	};
	static char name[] = COMMAND; /* getopt's messages begin with it */
	const struct command *command = NULL;
	struct args args = { 0 };
	bool wants_help = false;
	int c;

	/* What is printable; whatever the user's is, names are UTF-8 */
	setlocale(LC_CTYPE, "C.UTF-8");
	if (argc)
		argv[0] = name;
	/* Options may come before the command and after it */
	while ((c = getopt_long(argc, argv, "jhV", options, NULL)) != -1) {
		switch (c) {
		case 'j':
			args.json = true;
			break;
		case 'h':
			wants_help = true;
			break;
		case 'V':
			puts(COMMAND " " VERSION);
			return done(0);
		default:
			return USAGE;
		}
	}
	if (optind < argc) {
		command = find_command(argv[optind]);
		if (!command)
			return usage("unknown command", argv[optind]);
	}
	if (wants_help) {
		fputs(command ? command->help : help, stdout);
		return done(0);
	}
	if (!command) {
		fputs(COMMAND
		      ": status, check, selftest or recover? See --help\n",
		      stderr);
		return USAGE;
	}
	args.nr = argc - optind - 1;
	args.words = argv + optind + 1;
	if (args.nr && !command->words)
		return usage("unexpected word", args.words[0]);
	if (args.json && !command->json) {
		fprintf(stderr, COMMAND ": %s has no --json\n", command->name);
		return USAGE;
	}
	return done(command->run(&args));
}
