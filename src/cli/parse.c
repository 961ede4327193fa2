// SPDX-License-Identifier: GPL-2.0
/*
 * What the text in a file means, and what follows from it
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

#include "parse.h"

/* What cannot be printed becomes a '?': no file's content or name is to
 * control a terminal.
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

/*
 * One token: what comes before a ':' decides. Version 0.1 of the module has
 * sentences instead, such as "protected (mark, hold=0)".
 */
enum state parse_state(const char *line)
{
	static const struct {
		const char *begin;
		enum state state;
	} states[] = {
		{ "protected (mark, hold=0)", STATE_MARK_ONLY },
		{ "protected", STATE_PROTECTED },
		{ "mark-only", STATE_MARK_ONLY },
		{ "not-protected", STATE_NOT_PROTECTED },
		{ "not protected", STATE_NOT_PROTECTED },
	};
	size_t i;

	for (i = 0; i < sizeof(states) / sizeof(*states); i++) {
		size_t len = strlen(states[i].begin);

		/* strchr() finds the end, too */
		if (!strncmp(line, states[i].begin, len) &&
		    strchr(": ", line[len]))
			return states[i].state;
	}
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
 * The headers that go with a package that has a kernel image: by its name, since
 * Proxmox, Ubuntu's flavours and RHEL's variants each have their own. False: not
 * known.
 */
bool parse_headers(char *headers, size_t size, const char *image,
		   const char *release)
{
	static const char *const kinds[] = { "-image-unsigned-", "-image-",
					     "-binary-", "-modules-",
					     "-kernel-" };
	size_t i, len = strlen(image);

	/* dpkg: linux-image-R, linux-image-R-unsigned, proxmox-kernel-R-signed */
	for (i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		const char *kind = strstr(image, kinds[i]);

		if (!kind || !strstr(kind, release))
			continue;
		snprintf(headers, size, "%.*s-headers-%s", (int)(kind - image),
			 image, release);
		return true;
	}
	/* rpm: kernel, kernel-core, kernel-rt-core */
	if (strncmp(image, "kernel", 6))
		return false;
	if (len > 5 && !strcmp(image + len - 5, "-core"))
		len -= 5;
	snprintf(headers, size, "%.*s-devel-%s", (int)len, image, release);
	return true;
}

/* Is this line of /proc/keys about a key for signatures, and is it the signer's? */
bool parse_key(const char *line, const char *signer, bool *is_signer)
{
	static const char type[] = " asymmetri "; /* cut off there */
	const char *name = strstr(line, type);
	size_t len = strlen(signer);

	*is_signer = false;
	if (!name)
		return false;
	for (name = strstr(name, signer); name && len;
	     name = strstr(name + 1, signer)) {
		if (name[len] == ':' && name[-1] == ' ')
			*is_signer = true;
	}
	return true;
}

/* What ext4 says of a filesystem (sda1, dm-0) in a line of /dev/kmsg, or NULL */
const char *parse_ext4_log(const char *line, char *name, size_t size)
{
	static const char before[] = ";EXT4-fs (";
	const char *p = strstr(line, before);
	size_t len;

	if (!p)
		return NULL;
	p += strlen(before);
	len = strcspn(p, ")");
	if (strncmp(p + len, "): ", 3))
		return NULL;
	snprintf(name, size, "%.*s", (int)len, p);
	return p + len + 3;
}

/* Who is to recover a filesystem, by its superblock, in the host's byte order */
enum recovery parse_recovery(const struct ext2_super_block *super,
			     const char **why)
{
	struct ext2_super_block sb = *super; /* libext2fs knows no const */

	if (!ext2fs_has_feature_fast_commit(&sb)) {
		*why = "no fast_commit";
		return RECOVERY_NOT_NEEDED;
	}
	if (!ext2fs_has_feature_journal_needs_recovery(&sb)) {
		*why = "it needs no recovery";
		return RECOVERY_NOT_NEEDED;
	}
	if (sb.s_state & EXT2_ERROR_FS) {
		*why = "it has errors, e2fsck has to repair them";
		return RECOVERY_BY_E2FSCK;
	}
	return RECOVERY_BY_KERNEL;
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
