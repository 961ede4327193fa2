/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What this module takes from the kernel that no header declares, and how it
 * differs between versions
 *
 * The functions of ext4 are private to it, so their prototypes are restated here,
 * each the widest of all versions: on x86-64 and arm64 a surplus register
 * argument and an unused return register are harmless. All calls of them are
 * direct on x86-64 (static_call): functions whose address the kernel never
 * takes lose their ENDBR at boot when it has IBT, and clang's kCFI checks
 * indirect calls, also for the prototype.
 */
#ifndef EXT4_FC_RESIZE_FIX_COMPAT_H
#define EXT4_FC_RESIZE_FIX_COMPAT_H

#include <linux/fs.h>
#include <linux/ftrace.h>
#include <linux/jbd2.h>
#include <linux/static_call.h>
#include <linux/task_work.h>

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
 * e85c81ba8859 ("ext4: fast commit may not fallback for ineligible commit"). void in
 * all of them.
 */
typedef int ext4_fc_mark_ineligible_fn(struct super_block *sb, int reason,
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
typedef int ext4_fc_commit_fn(journal_t *journal, tid_t tid);

/* Not from the header: a kernel with TRIM_UNUSED_KSYMS may not export it */
typedef int jbd2_complete_transaction_fn(journal_t *journal, tid_t tid);

/*
 * Exported by no kernel; these arguments since 5.10, 91989c707884 ("task_work: cleanup
 * notification modes")
 */
typedef int task_work_add_fn(struct task_struct *task,
			     struct callback_head *work,
			     enum task_work_notify_mode mode);

DECLARE_STATIC_CALL(ext4_group_extend, ext4_group_extend_fn);
DECLARE_STATIC_CALL(ext4_group_add, ext4_group_add_fn);
DECLARE_STATIC_CALL(ext4_fc_mark_ineligible, ext4_fc_mark_ineligible_fn);
DECLARE_STATIC_CALL(ext4_resize_begin, ext4_resize_begin_fn);
DECLARE_STATIC_CALL(ext4_resize_end, ext4_resize_end_fn);
DECLARE_STATIC_CALL(ext4_force_commit, ext4_force_commit_fn);
DECLARE_STATIC_CALL(ext4_fc_commit, ext4_fc_commit_fn);
DECLARE_STATIC_CALL(jbd2_complete_transaction, jbd2_complete_transaction_fn);
DECLARE_STATIC_CALL(task_work_add, task_work_add_fn);

/*
 * What an ftrace_ops on x86-64 gets: pt_regs up to 5.10, and all of them only
 * if it asks; ftrace_regs, with the arguments in any case, since 5.11,
 * d19ad0775dcd ("ftrace: Have the callbacks receive a struct ftrace_regs instead
 * of pt_regs"), 02a474ca266a ("ftrace/x86: Allow for arguments to be passed in to
 * ftrace_regs by default"). The functions to look into them since 6.2,
 * 94d095ffa0e1 ("ftrace: abstract DYNAMIC_FTRACE_WITH_ARGS accesses").
 */
#ifdef CONFIG_HAVE_DYNAMIC_FTRACE_WITH_ARGS
#define COMPAT_FTRACE_FLAGS 0
#define compat_pt_regs(fregs) (&(fregs)->regs)
#else
#define COMPAT_FTRACE_FLAGS FTRACE_OPS_FL_SAVE_REGS
#define ftrace_regs pt_regs
#define compat_pt_regs(fregs) (fregs)
#endif

#ifndef ftrace_regs_get_argument
#define ftrace_regs_get_argument(fregs, n) \
	regs_get_kernel_argument(compat_pt_regs(fregs), n)
#undef ftrace_regs_set_instruction_pointer
#define ftrace_regs_set_instruction_pointer(fregs, ip) \
	instruction_pointer_set(compat_pt_regs(fregs), ip)
#endif

#endif
