// SPDX-License-Identifier: GPL-2.0
/*
 * ext4-fc-resize-fix - is online resize of ext4 safe on this machine?
 */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gather.h"
#include "report.h"
#include "selftest.h"

static const char help[] =
	"Usage: ext4-fc-resize-fix COMMAND\n"
	"\n"
	"Is online resize of ext4 with fast commit safe on this machine?\n"
	"\n"
	"  status           the module, each mounted ext4, other installed kernels\n"
	"  status --json    the same for programs, see ext4-fc-resize-fix(8)\n"
	"  check            one line; exit status 0: protected, or not needed,\n"
	"                   1: exposed, 2: cannot tell\n"
	"  selftest         resizes a small image, on a tmpfs, and sees what the kernel\n"
	"                   and the module do about it; exit status as of check\n"
	"\n"
	"  --help, --version\n"
	"\n"
	"All as root: only root can see whether a filesystem has fast_commit.\n";

static int usage(void)
{
	fputs("ext4-fc-resize-fix: status, check or selftest? See --help\n",
	      stderr);
	return VERDICT_UNKNOWN;
}

/* A reader that is gone, or a full disk, must not look like an answer */
static int done(int status)
{
	if (fflush(stdout) || ferror(stdout)) {
		perror("ext4-fc-resize-fix: cannot write");
		return VERDICT_UNKNOWN;
	}
	return status;
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "";
	bool json = argc == 3 && !strcmp(argv[2], "--json");
	bool colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	struct machine m;
	int status = 0;

	/* What is printable; whatever the user's is, names are UTF-8 */
	setlocale(LC_CTYPE, "C.UTF-8");
	if (argc == 2 &&
	    (!strcmp(command, "--help") || !strcmp(command, "-h"))) {
		fputs(help, stdout);
		return done(0);
	}
	if (argc == 2 && !strcmp(command, "--version")) {
		puts("ext4-fc-resize-fix " VERSION);
		return done(0);
	}
	if (argc == 2 && !strcmp(command, "selftest"))
		return done(run_selftest(&places));
	if (argc > 3 || (argc == 3 && !json))
		return usage();
	if (strcmp(command, "status") && (json || strcmp(command, "check")))
		return usage();

	read_machine(&m, &places);
	if (json) {
		status = report_json(stdout, &m) ? VERDICT_UNKNOWN : 0;
	} else if (!strcmp(command, "status")) {
		report_table(stdout, &m, colour);
	} else {
		report_line(stdout, &m);
		status = machine_verdict(&m);
	}
	free_machine(&m);
	return done(status);
}
