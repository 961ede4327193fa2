// SPDX-License-Identifier: GPL-2.0
/*
 * libFuzzer: any text for all that the command parses. Run by tests/cli.t
 *
 * Beside what the sanitizers see: what is to be shown is printable and not
 * longer than it was, and a number is never below -1.
 */
#include <locale.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/cli/parse.h"

#define CHECK(what)              \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return !setlocale(LC_CTYPE, "C.UTF-8");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Each on the heap, with not a byte to spare */
	char *text = malloc(size + 1);
	const char *rest;
	bool is_signer;
	char name[30];
	size_t len;
	char *p;

	memcpy(text, data, size);
	text[size] = '\0';
	len = strlen(text);

	CHECK(parse_count(text) >= -1);
	CHECK(parse_reason(text, "Resize") >= -1);
	CHECK(parse_stat(text, "commits") >= -1);
	parse_vermagic(text, "6.1.0-44-amd64");
	if (parse_state(text) >= STATE_MARK_ONLY)
		CHECK(!strncmp(text, "protected", 9) ||
		      !strncmp(text, "mark-only", 9));
	if (parse_headers(name, sizeof(name), text, "6.1.0-44-amd64"))
		CHECK(strlen(name) < sizeof(name));
	CHECK(parse_key(text, "DKMS", &is_signer) || !is_signer);
	rest = parse_ext4_log(text, name, sizeof(name));
	CHECK(!rest || (rest > text && rest <= text + len));

	parse_printable(text);
	CHECK(strlen(text) == len);
	parse_first_line(text);
	CHECK(strlen(text) <= len);
	for (p = text; *p; p++)
		CHECK((unsigned char)*p >= ' ' && *p != 0x7f);
	free(text);
	return 0;
}
