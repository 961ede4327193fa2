// SPDX-License-Identifier: GPL-2.0
/*
 * bpf - attaches bpf programs to kernel functions, for the tests in the guest
 *
 *	bpf fentry:FUNCTION|fexit:FUNCTION...
 *
 * Prints "attached" when all are. On SIGTERM it detaches them and prints a line
 * for each, "fexit:FUNCTION HITS". If one cannot be attached it prints
 * "fexit:FUNCTION ERRNO" instead, leaves none attached and exits 1.
 *
 * The functions are those of the kernel or of ext4.ko that type information (BTF)
 * names: a header, types that are numbered from 1, and strings. A module's types
 * and strings are numbered on from the kernel's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MODULE "ext4"
#define PROGRAMS_MAX 32

static int die(const char *what)
{
	fprintf(stderr, "bpf: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void usage(void)
{
	fputs("see the head of bpf.c for how to call it\n", stderr);
	exit(2);
}

static long bpf(int cmd, union bpf_attr *attr)
{
	return syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

/* --- the type information --- */

struct btf {
	const char *types, *types_end, *strings;
	uint32_t first_type, next_type, first_string, next_string;
};

static void btf_read(struct btf *btf, const char *file, const struct btf *base)
{
	const struct btf_header *h;
	struct stat st;
	ssize_t got, len = 0;
	char *data;
	int fd = open(file, O_RDONLY);

	if (fd < 0 || fstat(fd, &st))
		die(file);
	data = malloc(st.st_size);
	while (data && (got = read(fd, data + len, st.st_size - len)) > 0)
		len += got;
	if (!data || len != st.st_size)
		die(file);
	close(fd);

	h = (void *)data;
	btf->types = data + h->hdr_len + h->type_off;
	btf->types_end = btf->types + h->type_len;
	btf->strings = data + h->hdr_len + h->str_off;
	btf->first_type = base ? base->next_type : 1;
	btf->first_string = base ? base->next_string : 0;
	btf->next_string = btf->first_string + h->str_len;
}

/* How long what follows the type is */
static uint32_t btf_more(const struct btf_type *t)
{
	uint32_t n = BTF_INFO_VLEN(t->info);

	switch (BTF_INFO_KIND(t->info)) {
	case BTF_KIND_INT:
		return sizeof(uint32_t);
	case BTF_KIND_ARRAY:
		return sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return n * sizeof(struct btf_member);
	case BTF_KIND_ENUM:
		return n * sizeof(struct btf_enum);
	case BTF_KIND_ENUM64:
		return n * sizeof(struct btf_enum64);
	case BTF_KIND_FUNC_PROTO:
		return n * sizeof(struct btf_param);
	case BTF_KIND_VAR:
		return sizeof(struct btf_var);
	case BTF_KIND_DATASEC:
		return n * sizeof(struct btf_var_secinfo);
	case BTF_KIND_DECL_TAG:
		return sizeof(struct btf_decl_tag);
	case BTF_KIND_PTR:
	case BTF_KIND_FWD:
	case BTF_KIND_TYPEDEF:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_CONST:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_FUNC:
	case BTF_KIND_FLOAT:
	case BTF_KIND_TYPE_TAG:
		return 0;
	}
	errno = EPROTO;
	return die("unknown kind of type");
}

/* The function's number, or 0; sets next_type, too */
static uint32_t btf_find(struct btf *btf, const char *function)
{
	const char *at = btf->types;
	uint32_t id = btf->first_type, found = 0;

	for (; at < btf->types_end; id++) {
		const struct btf_type *t = (void *)at;

		if (BTF_INFO_KIND(t->info) == BTF_KIND_FUNC &&
		    t->name_off >= btf->first_string &&
		    !strcmp(btf->strings + t->name_off - btf->first_string,
			    function))
			found = id;
		at += sizeof(*t) + btf_more(t);
	}
	btf->next_type = id;
	return found;
}

/* The module's, for the kernel to know which is meant */
static int btf_fd(const char *module)
{
	uint32_t id = 0;

	for (;;) {
		char name[64] = "";
		struct bpf_btf_info info = { .name = (uintptr_t)name,
					     .name_len = sizeof(name) };
		union bpf_attr attr = { .start_id = id };
		int fd;

		if (bpf(BPF_BTF_GET_NEXT_ID, &attr))
			return die("no BTF of " MODULE);
		id = attr.next_id;

		memset(&attr, 0, sizeof(attr));
		attr.btf_id = id;
		fd = bpf(BPF_BTF_GET_FD_BY_ID, &attr);
		if (fd < 0)
			continue; /* it may have gone */

		memset(&attr, 0, sizeof(attr));
		attr.info.bpf_fd = fd;
		attr.info.info_len = sizeof(info);
		attr.info.info = (uintptr_t)&info;
		if (bpf(BPF_OBJ_GET_INFO_BY_FD, &attr))
			die("BTF info");
		if (info.kernel_btf && !strcmp(name, module))
			return fd;
		close(fd);
	}
}

/* --- the programs --- */

/* A map with one value, all the counters: instructions can name only the first */
static int counters(void)
{
	union bpf_attr attr = { .map_type = BPF_MAP_TYPE_ARRAY,
				.key_size = sizeof(uint32_t),
				.value_size = PROGRAMS_MAX * sizeof(uint64_t),
				.max_entries = 1 };
	int fd = bpf(BPF_MAP_CREATE, &attr);

	return fd < 0 ? die("map") : fd;
}

static void read_counters(int map, uint64_t *hits)
{
	uint32_t key = 0;
	union bpf_attr attr = { .map_fd = map,
				.key = (uintptr_t)&key,
				.value = (uintptr_t)hits };

	if (bpf(BPF_MAP_LOOKUP_ELEM, &attr))
		die("counters");
}

/* A program that counts; returns the descriptor that keeps it attached, or -1 */
static int attach_counter(int type, uint32_t btf_id, int btf_fd, int map,
			  int nr)
{
	static const char license[] = "GPL";
	struct bpf_insn insns[] = {
		/* r1 = its counter */
		{ .code = BPF_LD | BPF_DW | BPF_IMM,
		  .dst_reg = BPF_REG_1,
		  .src_reg = BPF_PSEUDO_MAP_VALUE,
		  .imm = map },
		{ .imm = nr * sizeof(uint64_t) },
		/* *r1 += 1, atomic; return 0 */
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K,
		  .dst_reg = BPF_REG_0,
		  .imm = 1 },
		{ .code = BPF_STX | BPF_DW | BPF_ATOMIC,
		  .dst_reg = BPF_REG_1,
		  .src_reg = BPF_REG_0,
		  .imm = BPF_ADD },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_TRACING,
				.expected_attach_type = type,
				.insns = (uintptr_t)insns,
				.insn_cnt = sizeof(insns) / sizeof(*insns),
				.license = (uintptr_t)license,
				.attach_btf_id = btf_id,
				.attach_btf_obj_fd = btf_fd };
	int fd = bpf(BPF_PROG_LOAD, &attr);

	if (fd < 0)
		return -1;
	memset(&attr, 0, sizeof(attr));
	attr.raw_tracepoint.prog_fd = fd;
	return bpf(BPF_RAW_TRACEPOINT_OPEN, &attr);
}

/* FENTRY|FEXIT:FUNCTION; returns as attach_counter() does */
static int attach(const char *probe, struct btf *vmlinux, int map, int nr)
{
	static struct btf module;
	static int module_fd;
	const char *function = strchr(probe, ':');
	int type, fd = 0;
	uint32_t id;

	if (!strncmp(probe, "fentry:", 7))
		type = BPF_TRACE_FENTRY;
	else if (!strncmp(probe, "fexit:", 6))
		type = BPF_TRACE_FEXIT;
	else
		usage();
	function++;

	id = btf_find(vmlinux, function);
	if (!id) {
		if (!module_fd) {
			btf_read(&module, "/sys/kernel/btf/" MODULE, vmlinux);
			module_fd = btf_fd(MODULE);
		}
		fd = module_fd;
		id = btf_find(&module, function);
		errno = ENOENT;
		if (!id)
			return -1;
	}
	return attach_counter(type, id, fd, map, nr);
}

int main(int argc, char **argv)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	uint64_t hits[PROGRAMS_MAX];
	int links[PROGRAMS_MAX];
	struct btf vmlinux;
	int i, sig, map;
	sigset_t set;

	if (argc < 2 || argc > PROGRAMS_MAX)
		usage();
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	/* Before 5.11 maps and programs count as locked memory */
	setrlimit(RLIMIT_MEMLOCK, &all);

	btf_read(&vmlinux, "/sys/kernel/btf/vmlinux", NULL);
	map = counters();
	for (i = 1; i < argc; i++) {
		links[i] = attach(argv[i], &vmlinux, map, i);
		if (links[i] < 0) {
			const char *name = strerrorname_np(errno);

			printf("%s %s\n", argv[i], name ? name : "ENOTSUPP");
			return 1;
		}
	}

	puts("attached");
	fflush(stdout);
	sigwait(&set, &sig);
	for (i = 1; i < argc; i++)
		close(links[i]);
	read_counters(map, hits);
	for (i = 1; i < argc; i++)
		printf("%s %llu\n", argv[i], (unsigned long long)hits[i]);
	return 0;
}
