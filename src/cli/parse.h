/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the text in a file means, and what follows from it: no I/O, so that
 * tests/cli/unit.c and tests/cli/fuzz.c can feed it anything.
 */
#ifndef PARSE_H
#define PARSE_H

#include <stdbool.h>

/* What the module says of itself, status/state */
enum state {
	STATE_UNKNOWN,
	STATE_NOT_PROTECTED,
	STATE_MARK_ONLY,
	STATE_PROTECTED,
};

/* Also the exit status of check and selftest */
enum verdict {
	VERDICT_OK,
	VERDICT_EXPOSED,
	VERDICT_UNKNOWN,
};

void parse_printable(char *text);
void parse_first_line(char *text);
enum state parse_state(const char *line);
long parse_count(const char *line);
long parse_reason(const char *fc_info, const char *reason);
long parse_stat(const char *fc_info, const char *name);
bool parse_vermagic(const char *vermagic, const char *release);
enum verdict parse_verdict(bool loaded, enum state state, int fast_commit,
			   int cannot_tell);

#endif
