/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What this module takes from ext4, and how it differs between kernels
 *
 * The functions are private to ext4, so their prototypes are restated here,
 * each the widest of all versions: on x86-64 and arm64 a surplus register
 * argument and an unused return register are harmless. All calls of them are
 * direct on x86-64 (static_call): functions whose address the kernel never
 * takes lose their ENDBR at boot when it has IBT, and clang's kCFI checks
 * indirect calls as well.
 */
#ifndef EXT4_FC_RESIZE_FIX_COMPAT_H
#define EXT4_FC_RESIZE_FIX_COMPAT_H

#include <linux/fs.h>
#include <linux/jbd2.h>
#include <linux/static_call.h>

struct ext4_super_block;
struct ext4_new_group_data;

/* fs/ext4/fast_commit.h: 5 since 5.10, aa75f4d3daae ("ext4: main fast-commit commit path") */
#define EXT4_FC_REASON_RESIZE 5

typedef int ext4_group_extend_fn(struct super_block *sb,
				 struct ext4_super_block *es,
				 unsigned long long n_blocks_count);
typedef int ext4_group_add_fn(struct super_block *sb,
			      struct ext4_new_group_data *input);

/*
 * Up to 5.16 without @handle; with it since 5.17 (and 5.15.y),
 * e85c81ba8859 ("ext4: fast commit may not fallback for ineligible commit").
 */
typedef void ext4_fc_mark_ineligible_fn(struct super_block *sb, int reason,
					handle_t *handle);

typedef int ext4_resize_begin_fn(struct super_block *sb);

/*
 * Up to 5.19 void, without @update_backups; with both since 6.0 (and stable
 * series before it), 827891a38acc ("ext4: update the s_overhead_clusters in
 * the backup sb's when resizing"). A bool, handed on as the register that it
 * came in, for before that it is whatever the caller left there.
 */
typedef int ext4_resize_end_fn(struct super_block *sb,
			       unsigned long update_backups);

typedef int ext4_force_commit_fn(struct super_block *sb);

DECLARE_STATIC_CALL(ext4_group_extend, ext4_group_extend_fn);
DECLARE_STATIC_CALL(ext4_group_add, ext4_group_add_fn);
DECLARE_STATIC_CALL(ext4_fc_mark_ineligible, ext4_fc_mark_ineligible_fn);
DECLARE_STATIC_CALL(ext4_resize_begin, ext4_resize_begin_fn);
DECLARE_STATIC_CALL(ext4_resize_end, ext4_resize_end_fn);
DECLARE_STATIC_CALL(ext4_force_commit, ext4_force_commit_fn);

#endif
