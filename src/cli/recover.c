// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel recovers a filesystem with fast commits before e2fsck sees it, which
 * would lose some: it is mounted, and unmounted again.
 *
 * In a mount namespace of our own, so that nobody else sees it, and it goes with
 * this process at the latest. Over /run, which is there in an initramfs, too, and
 * nothing is made in it.
 *
 * Read-write: before kernel commit e1a881ea4674 replay on a read-only mount cannot
 * create names, and fails. Where it is not broken it writes as well.
 *
 * Nothing else runs on what it mounts: errors=continue, whatever the superblock has.
 * Replay calls an error what is none (doc/upstream/20-mkdir.txt): with remount-ro the
 * mount fails and e2fsck loses some of it, with panic so does each boot. What is on
 * record then makes e2fsck look at all. And noinit_itable, since nobody waits for that.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <ext2fs/ext2fs.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "recover.h"

#define TARGET "/run"
#define OPTIONS "errors=continue,noinit_itable"

static enum verdict say(enum verdict verdict, const char *device,
			const char *what, const char *why)
{
	char name[PATH_MAX];

	snprintf(name, sizeof(name), "%s", device);
	parse_printable(name);
	printf(COMMAND ": %s: %s%s%s\n", name, what, *why ? ": " : "", why);
	return verdict;
}

static enum verdict cannot(const char *device, int err)
{
	char what[160];

	snprintf(what, sizeof(what), "%s%s", strerror(err), denied(err));
	return say(VERDICT_UNKNOWN, device, what, "");
}

/*
 * Where udev finds an external journal: the number that is in the superblock may be
 * another device's by now.
 */
static void find_journal(char *options, size_t size,
			 const struct ext2_super_block *super)
{
	char path[64] = "/dev/disk/by-uuid/";
	int i, n = strlen(path);

	for (i = 0; i < 16; i++) {
		bool dash = i == 4 || i == 6 || i == 8 || i == 10;

		n += snprintf(path + n, sizeof(path) - n, "%s%02x",
			      dash ? "-" : "", super->s_journal_uuid[i]);
	}
	if (!super->s_journal_inum && !access(path, F_OK))
		snprintf(options, size, OPTIONS ",journal_path=%s", path);
}

static bool own_namespace(void)
{
	static bool is_own;

	is_own = is_own ||
		 (!unshare(CLONE_NEWNS) &&
		  !mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
	return is_own;
}

static enum verdict let_kernel(const char *device,
			       const struct ext2_super_block *super)
{
	unsigned long flags = MS_NODEV | MS_NOEXEC | MS_NOSUID | MS_NOATIME;
	char options[160] = OPTIONS;
	struct ext2_super_block now;
	const char *why = "";

	find_journal(options, sizeof(options), super);
	if (!own_namespace())
		return cannot(device, errno);
	if (mount(device, TARGET, "ext4", flags, options))
		return say(VERDICT_WARNING, device,
			   "the kernel cannot mount it", strerror(errno));
	if (umount2(TARGET, 0))
		return say(VERDICT_WARNING, device, "cannot unmount it",
			   strerror(errno));
	if (read_super(device, &now) ||
	    parse_recovery(&now, &why) != RECOVERY_NOT_NEEDED)
		return say(VERDICT_WARNING, device,
			   "mounted, but not recovered", why);
	if (now.s_state & EXT2_ERROR_FS)
		return say(VERDICT_WARNING, device, "recovered by the kernel",
			   "with errors, e2fsck has to repair them");
	return say(VERDICT_OK, device, "recovered by the kernel", "");
}

static enum verdict recover(const char *device)
{
	struct ext2_super_block super;
	const char *why = "";
	struct stat st;
	int fd, read_only = 0;
	errcode_t err;

	if (stat(device, &st))
		return cannot(device, errno);
	if (!S_ISBLK(st.st_mode))
		return cannot(device, ENOTBLK);
	err = read_super(device, &super);
	if (err == EXT2_ET_BAD_MAGIC || err == EXT2_ET_SHORT_READ)
		return say(VERDICT_OK, device, "left alone", "not ext4");
	if (err)
		return say(VERDICT_UNKNOWN, device, error_message(err), "");
	switch (parse_recovery(&super, &why)) {
	case RECOVERY_NOT_NEEDED:
		return say(VERDICT_OK, device, "left alone", why);
	case RECOVERY_BY_E2FSCK:
		return say(VERDICT_WARNING, device, "left alone", why);
	case RECOVERY_BY_KERNEL:
		break;
	}
	/* Also if another mount namespace has it */
	fd = open(device, O_RDONLY | O_EXCL | O_CLOEXEC);
	if (fd < 0 && errno == EBUSY)
		return say(VERDICT_OK, device, "left alone",
			   "mounted, or in use by another device");
	if (fd < 0)
		return cannot(device, errno);
	ioctl(fd, BLKROGET, &read_only);
	close(fd);
	if (read_only)
		return say(VERDICT_WARNING, device, "left alone",
			   "the device is read-only");
	return let_kernel(device, &super);
}

enum verdict run_recover(int nr, char **devices)
{
	enum verdict one, worst = VERDICT_OK;
	int i;

	initialize_ext2_error_table();
	for (i = 0; i < nr; i++) {
		one = recover(devices[i]);
		if (one > worst)
			worst = one;
	}
	return worst;
}
