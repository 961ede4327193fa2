// SPDX-License-Identifier: GPL-2.0
/*
 * What the text in a file means, and what follows from it
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

#include "parse.h"

/* What is no character that can be printed becomes a '?': nothing that stands
 * in a file, or in the name of one, gets to control a terminal.
 */
void parse_printable(char *text)
{
	mbstate_t shift = { 0 };
	size_t left = strlen(text);

	while (left) {
		wchar_t c;
		size_t n = mbrtowc(&c, text, left, &shift);

		if (n > left) {
			memset(&shift, 0, sizeof(shift));
			*text = '?';
			n = 1;
		} else if (!iswprint(c)) {
			memset(text, '?', n);
		}
		text += n;
		left -= n;
	}
}

void parse_first_line(char *text)
{
	text[strcspn(text, "\n")] = '\0';
	parse_printable(text);
}

/* Those of fix_state() in src/module/sysfs.c; another version may have others */
enum state parse_state(const char *line)
{
	static const char mark_only[] = "protected (mark, hold=0)";
	static const char all[] =
		"protected (mark, hold, full commit after flush)";

	if (!strcmp(line, all))
		return STATE_PROTECTED;
	if (!strcmp(line, mark_only))
		return STATE_MARK_ONLY;
	if (!strncmp(line, "not protected: ", 15))
		return STATE_NOT_PROTECTED;
	return STATE_UNKNOWN;
}

/* A number and nothing else; -1: it is none */
long parse_count(const char *line)
{
	char *end;
	long n;

	if (!isdigit((unsigned char)*line))
		return -1;
	errno = 0;
	n = strtol(line, &end, 10);
	return errno || (*end && *end != '\n') ? -1 : n;
}

static const char *next_line(const char *text)
{
	text = strchr(text, '\n');
	return text ? text + 1 : NULL;
}

/* "Resize":<tab>3 -> 3; -1: there is no such line */
long parse_reason(const char *fc_info, const char *reason)
{
	size_t len = strlen(reason);

	for (; fc_info; fc_info = next_line(fc_info)) {
		const char *p = fc_info;

		if (*p != '"' || strncmp(p + 1, reason, len) ||
		    strncmp(p + 1 + len, "\":", 2))
			continue;
		p += len + 3;
		return parse_count(p + strspn(p, " \t"));
	}
	return -1;
}

/* 3 commits -> 3; -1: there is no such line */
long parse_stat(const char *fc_info, const char *name)
{
	size_t len = strlen(name);

	for (; fc_info; fc_info = next_line(fc_info)) {
		char *end;
		long n;

		if (!isdigit((unsigned char)*fc_info))
			continue;
		errno = 0;
		n = strtol(fc_info, &end, 10);
		if (*end == ' ' && !strncmp(end + 1, name, len) &&
		    (end[len + 1] == '\n' || !end[len + 1]))
			return errno ? -1 : n;
	}
	return -1;
}

/* Its first word is the kernel that a module was built for */
bool parse_vermagic(const char *vermagic, const char *release)
{
	size_t len = strcspn(vermagic, " ");

	return len && len == strlen(release) &&
	       !strncmp(vermagic, release, len);
}

/*
 * hold=0 leaves upstream's fix alone: a resize can hang as before. fast_commit
 * is the number of mounted filesystems that have it, cannot_tell of those that
 * could not be looked at.
 */
enum verdict parse_verdict(bool loaded, enum state state, int fast_commit,
			   int cannot_tell)
{
	if (loaded && state == STATE_PROTECTED)
		return VERDICT_OK;
	if (!fast_commit && !cannot_tell)
		return VERDICT_OK;
	if (loaded && state == STATE_UNKNOWN)
		return VERDICT_UNKNOWN;
	return fast_commit ? VERDICT_EXPOSED : VERDICT_UNKNOWN;
}
