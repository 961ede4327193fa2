// SPDX-License-Identifier: GPL-2.0
/*
 * fc-tmpfile - ext4 with fast commit: a file that was opened with O_TMPFILE and was
 * given a name, to be fsynced
 *
 *	fc-tmpfile DIRECTORY [OTHER]
 *
 * makes it as DIRECTORY/linked. With OTHER that file is fsynced while the new one has no
 * name yet, so a fast commit has it without one.
 *
 *	cc -O2 -o fc-tmpfile fc-tmpfile.c
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void check(int failed, const char *what)
{
	if (failed) {
		perror(what);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	char name[4096], proc[64];
	int fd, other;

	if (argc != 2 && argc != 3) {
		fprintf(stderr, "usage: %s DIRECTORY [OTHER]\n", argv[0]);
		return 2;
	}
	fd = open(argv[1], O_TMPFILE | O_RDWR, 0644);
	check(fd < 0, "O_TMPFILE");
	check(write(fd, "data\n", 5) != 5, "write");
	if (argc == 3) {
		check(fdatasync(fd), "fdatasync");
		other = open(argv[2], O_WRONLY | O_CREAT | O_APPEND, 0644);
		check(other < 0, argv[2]);
		check(write(other, "data\n", 5) != 5, "write");
		check(fsync(other), "fsync");
	}
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	snprintf(name, sizeof(name), "%s/linked", argv[1]);
	check(linkat(AT_FDCWD, proc, AT_FDCWD, name, AT_SYMLINK_FOLLOW),
	      "linkat");
	return 0;
}
