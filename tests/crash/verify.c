// SPDX-License-Identifier: GPL-2.0
/*
 * crash scan LOG
 * crash dump BASE LOG ENTRY [IMAGE]
 * crash verify BASE LOG SCRATCH LOOP MNT POINTS SEED FIRST OPTS [DROP]
 *
 * A crash point is a flush, and its image is BASE (the disk when the log
 * began) with every write logged up to that flush; writes of the same prefix
 * of the log, so the order that the device was told to keep is kept. What was
 * acknowledged by then are the marks up to the next write to the filesystem.
 *
 * For each of POINTS points, evenly spread over the log and chosen by SEED:
 * the image is put into SCRATCH, a file on a tmpfs which the device LOOP shows;
 * mounted at MNT with the options OPTS, which makes the kernel recover it; each
 * acknowledged record is read back; unmounted; and e2fsck -fn looks at it.
 * FIRST points are left out (they were done before). One line for each:
 *
 *	point I entry E acks A op N+M VERDICT KIND[; KIND...]
 *
 * with tabs between I, E, A, "N" (N operations done, an "inside" if the next
 * one is going on), VERDICT and the kinds. VERDICT is ok, damaged (the kernel
 * or e2fsck complain), lost (acknowledged records do not read back) or both.
 *
 * Where the mount fails, a kind says if an unlinked inode is in the fast
 * commits: doc/upstream/14-unlinked.txt. "dump" prints the fast commits of the point at
 * ENTRY (fc.c), and writes the image to IMAGE.
 *
 * DROP tests the test: the writes of the last DROP flushes are left out.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <linux/fs.h>
#include <time.h>
#include <unistd.h>

#include "crash.h"

/* --- the log: Documentation/admin-guide/device-mapper/log-writes.rst --- */

#define LOG_MAGIC 0x6a736677736872ULL
#define LOG_FLUSH 1
#define LOG_FUA 2
#define LOG_DISCARD 4

struct log_super {
	uint64_t magic, version, nr_entries;
	uint32_t sectorsize;
};

struct log_entry {
	uint64_t sector, nr_sectors, flags, data_len;
};

static const uint8_t *logs;
static uint64_t log_len, log_entries, log_at, log_nr;

/* A file, or a block device, as memory */
static uint8_t *map(const char *name, uint64_t *len, int prot)
{
	int fd = open(name, prot & PROT_WRITE ? O_RDWR : O_RDONLY);
	struct stat st;
	void *p;

	if (fd < 0 || fstat(fd, &st))
		die("%s", name);
	*len = st.st_size;
	if (S_ISBLK(st.st_mode) && ioctl(fd, BLKGETSIZE64, len))
		die("%s", name);
	p = mmap(NULL, *len, prot, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		die("%s", name);
	close(fd);
	return p;
}

static void log_open(const char *name)
{
	const struct log_super *s;

	logs = map(name, &log_len, PROT_READ);
	s = (const struct log_super *)logs;
	errno = EINVAL;
	if (s->magic != LOG_MAGIC || s->sectorsize != SECTOR)
		die("%s", name);
	log_entries = s->nr_entries;
	log_at = SECTOR;
	log_nr = 0;
}

struct entry {
	uint64_t start, len, flags; /* in bytes */
	const uint8_t *data;
};

static int log_next(struct entry *e)
{
	struct log_entry h;

	if (log_nr == log_entries || log_at + SECTOR > log_len)
		return 0;
	memcpy(&h, logs + log_at, sizeof(h));
	*e = (struct entry){ .start = h.sector * SECTOR,
			     .len = h.nr_sectors * SECTOR,
			     .flags = h.flags,
			     .data = logs + log_at + SECTOR };
	log_at += SECTOR;
	if (!(h.flags & LOG_DISCARD))
		log_at += e->len;
	else
		e->len = 0;
	if (log_at > log_len)
		return 0;
	log_nr++;
	return 1;
}

/* --- what the marks say --- */

static uint32_t acked[WRITERS][MAX_FILES][SLOTS];
static uint8_t names[WRITERS][MAX_FILES][NR_NAMES]; /* enum name_state */
static uint8_t blocks[WRITERS][MAX_FILES];
static uint8_t started, inside, forgiven[WRITERS][MAX_FILES];
static unsigned int nr_acks, nr_ops, nr_failed, nr_fsync_failed, files[WRITERS];
static unsigned int acks_since_op;

static void take_mark(const struct mark *m)
{
	if (m->magic != MARK_MAGIC)
		return;
	switch (m->kind) {
	case MARK_START:
		started = 1;
		break;
	case MARK_ACK:
	case MARK_SIZE:
	case MARK_NAME:
		if (files[m->writer] <= m->file)
			files[m->writer] = m->file + 1;
		if (m->kind == MARK_ACK)
			acked[m->writer][m->file][m->slot] = m->seq;
		else if (m->kind == MARK_SIZE)
			blocks[m->writer][m->file] = m->slot;
		else
			names[m->writer][m->file][m->slot] = m->result;
		if (m->kind != MARK_NAME || m->result != MAYBE) {
			nr_acks++;
			acks_since_op++;
		}
		break;
	case MARK_BEGIN:
		inside = 1;
		break;
	case MARK_END:
		inside = 0;
		if (m->result)
			nr_failed++;
		else
			nr_ops++;
		acks_since_op = 0;
		break;
	case MARK_FSYNC_FAILED:
		forgiven[m->writer][m->file] = 1;
		nr_fsync_failed++;
		break;
	}
}

/* --- from point to point --- */

/* The filesystem's partition, as at the point; with DROP, as some flushes before */
static uint8_t image[FS_SIZE];
static int drop;

struct held {
	struct entry e;
	uint64_t flushes;
};

static struct held *held;
static size_t nr_held, max_held;

static void apply(const struct entry *e)
{
	memcpy(image + e->start - FS_START, e->data, e->len);
}

/* Writes that wait for DROP flushes to go by before they are in the image */
static void hold(const struct entry *e, uint64_t flushes)
{
	if (nr_held == max_held) {
		max_held = max_held * 2 + 64;
		held = realloc(held, max_held * sizeof(*held));
		if (!held)
			die("memory");
	}
	held[nr_held++] = (struct held){ *e, flushes };
}

static void release(uint64_t flushes)
{
	size_t i, kept = 0;

	for (i = 0; i < nr_held; i++) {
		if (held[i].flushes + drop < flushes)
			apply(&held[i].e);
		else
			held[kept++] = held[i];
	}
	nr_held = kept;
}

static int to_fs(const struct entry *e)
{
	return e->len && e->start >= FS_START &&
	       e->start + e->len <= MARKS_START;
}

/*
 * To the next point. A flush with no write to the filesystem behind the last
 * one is the same point, with more marks.
 */
static int next_point(void)
{
	static struct entry ahead;
	static uint64_t flushes;
	struct entry e;
	int written = 0, flushed = 0;

	for (;;) {
		if (ahead.len) {
			e = ahead;
			ahead.len = 0;
		} else if (!log_next(&e)) {
			return flushed && started;
		}
		if (to_fs(&e)) {
			if (flushed && started) {
				ahead = e;
				return 1;
			}
			written = 1;
			flushed = 0;
			if (drop)
				hold(&e, flushes);
			else
				apply(&e);
		} else if (e.start >= MARKS_START) {
			uint64_t i;

			for (i = 0; i < e.len; i += SECTOR)
				take_mark((const struct mark *)(e.data + i));
		}
		if (e.flags & (LOG_FLUSH | LOG_FUA)) {
			if (written) {
				flushes++;
				release(flushes);
			}
			flushed |= written;
		}
	}
}

int scan_main(int argc, char **argv)
{
	unsigned int points = 0;

	(void)argc;
	log_open(argv[0]);
	while (next_point())
		points++;
	printf("points %u acks %u operations %u failed %u fsync-errors %u%s\n",
	       points, nr_acks, nr_ops, nr_failed, nr_fsync_failed,
	       inside ? " ends-inside" : "");
	return 0;
}

/* --- what is wrong at a point --- */

#define KINDS 8

struct kinds {
	char text[KINDS][160];
	unsigned int count[KINDS];
	int nr;
	char first[64];
};

/* One kind is one text without its numbers */
static void add_kind(struct kinds *k, const char *text)
{
	char t[sizeof(*k->text)];
	size_t n = 0;
	int i;

	/* Without e2fsck's questions */
	for (; *text && *text != '\n' && n < sizeof(t) - 1; text++) {
		if (!strncmp(text, ".  ", 3))
			break;
		if (*text >= '0' && *text <= '9') {
			if (!n || t[n - 1] != 'N')
				t[n++] = 'N';
		} else {
			t[n++] = *text == '\t' || *text == ';' ? ' ' : *text;
		}
	}
	t[n] = 0;
	for (i = 0; i < k->nr && strcmp(k->text[i], t); i++)
		;
	if (i == KINDS)
		return;
	if (i == k->nr)
		memcpy(k->text[k->nr++], t, n + 1);
	k->count[i]++;
}

static void print_kinds(const char *who, const struct kinds *k)
{
	int i;

	for (i = 0; i < k->nr; i++)
		printf("\t%s: %s (%u)", who, k->text[i], k->count[i]);
}

/* What is the record like that was acknowledged as SEQ? NULL: as it should be */
static const char *look_at(const struct record *r, ssize_t len, int writer,
			   unsigned int file, int slot, uint32_t seq)
{
	static const struct record none;

	if (len < (ssize_t)sizeof(*r))
		return "the file is short";
	if (!memcmp(r, &none, sizeof(*r)))
		return "zeros";
	if (!record_valid(r))
		return "not a record";
	if ((int)r->writer != writer || r->file != file || (int)r->slot != slot)
		return "another record";
	return r->seq < seq ? "an older record" : NULL;
}

static void add_lost(struct kinds *lost, const char *text, const char *name,
		     ssize_t size)
{
	add_kind(lost, text);
	if (!*lost->first)
		snprintf(lost->first, sizeof(lost->first), "%s size %zd", name,
			 size);
}

static void read_file(const char *mnt, int writer, int file, struct kinds *lost)
{
	static struct record r[SLOTS];
	const uint32_t *seq = acked[writer][file];
	unsigned int min = blocks[writer][file];
	char path[MAX_NAME], error[64];
	const char *name;
	ssize_t len = -1;
	int s, fd, any = min;

	for (s = 0; s < SLOTS; s++)
		any |= seq[s];
	if (!any || forgiven[writer][file])
		return;
	fd = open(name_make(path, mnt, FILE_NAME, writer, file), O_RDONLY);
	if (fd < 0 && errno == ENOENT)
		fd = open(name_make(path, mnt, RENAMED, writer, file),
			  O_RDONLY);
	name = strrchr(path, '/') + 1;
	if (fd >= 0) {
		len = read(fd, r, sizeof(r));
		close(fd);
	}
	if (len < 0) {
		snprintf(error, sizeof(error), "%s %s",
			 fd < 0 ? "open" : "read", strerror(errno));
		add_lost(lost, error, name, len);
		return;
	}
	for (s = 0; s < SLOTS; s++) {
		ssize_t rest = len - s * (ssize_t)sizeof(*r);
		const char *what = NULL;

		if (seq[s])
			what = look_at(&r[s], rest, writer, file, s, seq[s]);
		if (what)
			add_lost(lost, what, name, len);
	}
	if (len < (ssize_t)(min * sizeof(*r)))
		add_lost(lost, "fallocate: the file is short", name, len);
}

/* What is a name like that was acknowledged to be in STATE? NULL: as it should be */
static const char *look_at_name(const char *mnt, int writer, int file,
				enum name what, enum name_state state)
{
	static const mode_t types[] = { [FILE_NAME] = S_IFREG,
					[RENAMED] = S_IFREG,
					[LINKED] = S_IFREG,
					[SYMLINK] = S_IFLNK,
					[DIRECTORY] = S_IFDIR };
	char name[MAX_NAME], want[MAX_NAME], target[MAX_NAME];
	struct stat st, other;
	ssize_t len;

	if (lstat(name_make(name, mnt, what, writer, file), &st))
		return errno == ENOENT ? state == GONE ? NULL : "gone" :
					 strerror(errno);
	if (state == GONE)
		return "still there";
	if ((st.st_mode & S_IFMT) != types[what])
		return "of another type";
	if (what == LINKED &&
	    ((stat(name_make(name, mnt, FILE_NAME, writer, file), &other) &&
	      stat(name_make(name, mnt, RENAMED, writer, file), &other)) ||
	     st.st_ino != other.st_ino))
		return "another file";
	if (what == SYMLINK) {
		len = readlink(name, target, sizeof(target));
		target_make(want, writer, file);
		if (len != (ssize_t)strlen(want) || memcmp(target, want, len))
			return "another target";
	}
	return NULL;
}

static void read_names(const char *mnt, int writer, int file,
		       struct kinds *lost)
{
	static const char *const what[] = { [FILE_NAME] = "renamed, old name",
					    [RENAMED] = "renamed, new name",
					    [LINKED] = "link",
					    [SYMLINK] = "symlink",
					    [DIRECTORY] = "directory" };
	const uint8_t *state = names[writer][file];
	const char *wrong;
	char text[80], name[MAX_NAME];
	int n;

	for (n = 0; n < TEMPORARY; n++) {
		if (state[n] == MAYBE ||
		    (n <= LINKED && forgiven[writer][file]))
			continue;
		wrong = look_at_name(mnt, writer, file, n, state[n]);
		if (!wrong)
			continue;
		snprintf(text, sizeof(text), "%s: %s", what[n], wrong);
		add_lost(lost, text, name_make(name, "", n, writer, file), -1);
	}
}

static void read_back(const char *mnt, struct kinds *lost)
{
	unsigned int f;
	int w;

	for (w = 0; w < WRITERS; w++) {
		for (f = 0; f < files[w]; f++) {
			read_file(mnt, w, f, lost);
			read_names(mnt, w, f, lost);
		}
	}
}

static void read_kernel_log(int kmsg, struct kinds *kernel)
{
	static const char *const bad[] = { "EXT4-fs error",
					   "EXT4-fs warning",
					   "EXT4-fs (loop0): ext4_",
					   "EXT4-fs (loop0): error",
					   "JBD2: ",
					   "Aborting journal",
					   "I/O error",
					   "BUG",
					   "WARNING",
					   "Oops",
					   "general protection" };
	char line[8192], *text;
	ssize_t n;
	size_t i;

	while ((n = read(kmsg, line, sizeof(line) - 1)) > 0 ||
	       (n < 0 && errno == EPIPE)) {
		if (n < 0)
			continue;
		line[n] = 0;
		text = strchr(line, ';');
		if (!text)
			continue;
		for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
			if (strstr(text, bad[i])) {
				add_kind(kernel, text + 1);
				break;
			}
		}
	}
}

static void run_e2fsck(const char *dev, struct kinds *fsck)
{
	char *const args[] = { "e2fsck", "-fn", (char *)dev, NULL };
	posix_spawn_file_actions_t actions;
	char out[65536], *line, *next;
	size_t len = 0;
	ssize_t n;
	int status, p[2];
	pid_t pid;

	if (pipe2(p, O_CLOEXEC))
		die("pipe");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, p[1], 1);
	posix_spawn_file_actions_adddup2(&actions, p[1], 2);
	errno = posix_spawn(&pid, "/sbin/e2fsck", &actions, NULL, args, NULL);
	if (errno)
		die("e2fsck");
	posix_spawn_file_actions_destroy(&actions);
	close(p[1]);
	while ((n = read(p[0], out + len, sizeof(out) - 1 - len)) > 0)
		len += n;
	close(p[0]);
	out[len] = 0;
	waitpid(pid, &status, 0);
	if (!status)
		return;
	for (line = out; *line; line = next) {
		next = strchrnul(line, '\n');
		if (*next)
			*next++ = 0;
		line += strspn(line, " ");
		if (!*line || !strncmp(line, "Pass ", 5) ||
		    !strncmp(line, "e2fsck ", 7) ||
		    strstr(line, "WARNING: Filesystem still has errors") ||
		    !strncmp(line, dev, strlen(dev)) ||
		    (strstr(line, "? no") && !strstr(line, ".  ")))
			continue;
		add_kind(fsck, line);
	}
	if (!fsck->nr)
		add_kind(fsck,
			 WIFEXITED(status) ? "fails and says nothing" : "died");
}

static atomic_uint beat;

/* A recovery that never ends: nobody can be waited for, so off goes the machine */
static void *watchdog(void *arg)
{
	unsigned int last = 0;
	int idle = 0;

	for (;;) {
		sleep(1);
		idle = beat == last ? idle + 1 : 0;
		last = beat;
		if (idle == 60) {
			printf("\tdamaged\tkernel: recovery or e2fsck hangs (1)\n");
			fflush(stdout);
			sleep(1);
			reboot(RB_POWER_OFF);
		}
	}
	return arg;
}

static void restore(uint8_t *scratch)
{
	size_t at, i;

	for (at = 0; at < FS_SIZE; at += 4096) {
		uint64_t *to = (uint64_t *)(scratch + at);
		const uint64_t *from = (const uint64_t *)(image + at);

		for (i = 0; i < 512 && to[i] == from[i]; i++)
			;
		if (i < 512)
			memcpy(to, from, 4096);
	}
}

/* What takes how long */
static double spent[5];

static void lap(int what)
{
	static double last;
	struct timespec t;
	double now;

	clock_gettime(CLOCK_MONOTONIC, &t);
	now = t.tv_sec + t.tv_nsec / 1e9;
	if (what >= 0)
		spent[what] += now - last;
	last = now;
}

static void recover(const char *dev, const char *mnt, const char *opts,
		    struct kinds *lost, struct kinds *kernel,
		    struct kinds *fsck)
{
	char error[64];

	if (mount(dev, mnt, "ext4", MS_NOATIME, opts)) {
		/* e2fsck -n recovers nothing, what it says now is no news */
		snprintf(error, sizeof(error), "mount %s", strerror(errno));
		add_kind(kernel, error);
		add_kind(lost, "no mount");
		if (fc_dump(image, sizeof(image), NULL))
			add_kind(kernel, "fast commits with an unlinked inode");
		return;
	}
	lap(1);
	read_back(mnt, lost);
	lap(2);
	if (umount(mnt))
		add_kind(kernel, "umount fails");
	lap(3);
	run_e2fsck(dev, fsck);
	lap(4);
}

int dump_main(int argc, char **argv)
{
	uint64_t len, entry = strtoull(argv[2], NULL, 0);
	FILE *f;

	memcpy(image, map(argv[0], &len, PROT_READ) + FS_START, FS_SIZE);
	log_open(argv[1]);
	while (next_point() && log_nr < entry)
		;
	errno = EINVAL;
	if (log_nr != entry)
		die("no point at entry %s", argv[2]);
	fc_dump(image, sizeof(image), stdout);
	if (argc < 4)
		return 0;
	f = fopen(argv[3], "w");
	if (!f || fwrite(image, sizeof(image), 1, f) != 1 || fclose(f))
		die("%s", argv[3]);
	return 0;
}

int verify_main(int argc, char **argv)
{
	const char *dev = argv[3], *mnt = argv[4], *opts = argv[8];
	unsigned int want = strtoul(argv[5], NULL, 0),
		     first = strtoul(argv[7], NULL, 0);
	uint32_t random = strtoul(argv[6], NULL, 0) * 2654435761u | 1;
	unsigned int total = 0, at = 0, i, pick;
	uint64_t len;
	uint8_t *base, *scratch;
	pthread_t dog;
	int kmsg;

	/* How many there are */
	log_open(argv[1]);
	while (next_point())
		total++;
	memset(acked, 0, sizeof(acked));
	memset(names, 0, sizeof(names));
	memset(blocks, 0, sizeof(blocks));
	memset(forgiven, 0, sizeof(forgiven));
	memset(files, 0, sizeof(files));
	nr_acks = 0;
	nr_ops = 0;
	started = 0;
	inside = 0;
	acks_since_op = 0;

	drop = argc > 9 ? atoi(argv[9]) : 0;
	log_open(argv[1]);
	base = map(argv[0], &len, PROT_READ);
	memcpy(image, base + FS_START, FS_SIZE);
	scratch = map(argv[2], &len, PROT_READ | PROT_WRITE);
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	if (kmsg < 0 || lseek(kmsg, 0, SEEK_END) < 0)
		die("/dev/kmsg");
	if (pthread_create(&dog, NULL, watchdog, NULL))
		die("pthread_create");

	if (want > total)
		want = total;
	for (i = 0; i < want; i++) {
		struct kinds lost = { 0 }, kernel = { 0 }, fsck = { 0 };
		uint64_t from = (uint64_t)total * i / want,
			 to = (uint64_t)total * (i + 1) / want;

		pick = from + next_random(&random) % (to - from);
		for (; at <= pick; at++)
			next_point();
		if (i < first)
			continue;
		printf("point %u\t%llu\t%u\t%u%s+%u", i,
		       (unsigned long long)log_nr, nr_acks, nr_ops,
		       inside ? " inside" : "", acks_since_op);
		fflush(stdout);
		lap(-1);
		restore(scratch);
		lap(0);
		recover(dev, mnt, opts, &lost, &kernel, &fsck);
		read_kernel_log(kmsg, &kernel);
		printf("\t%s", lost.nr && kernel.nr + fsck.nr ? "both" :
			       lost.nr			      ? "lost" :
			       kernel.nr + fsck.nr	      ? "damaged" :
								"ok");
		print_kinds("lost", &lost);
		print_kinds("kernel", &kernel);
		print_kinds("e2fsck", &fsck);
		if (*lost.first)
			printf("\tfirst: %s", lost.first);
		putchar('\n');
		atomic_fetch_add(&beat, 1);
	}
	printf("# seconds: restore %.1f mount %.1f read %.1f umount %.1f e2fsck %.1f\n",
	       spent[0], spent[1], spent[2], spent[3], spent[4]);
	printf("# verified %u of %u\n", want, total);
	return 0;
}
