// SPDX-License-Identifier: GPL-2.0
/*
 * What an admin can read: /sys/module/ext4_fc_resize_fix/status/, and a line in
 * the log when hooks go off or come back
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kobject.h>
#include <linux/sysfs.h>
#include <linux/timer.h>
#include <linux/workqueue.h>

#include "fix.h"

atomic_long_t stats[STAT_NR];

static ssize_t missed_show(struct kobject *kobj, struct kobj_attribute *attr,
			   char *buf)
{
	return sprintf(buf, "%lu\n", redirect_missed(redirects, fix_nr()));
}

/**
 * fix_state() - what is so now, not what was once switched on
 *
 * Return: "protected (...)" or "not protected: ...", a constant string.
 */
const char *fix_state(void)
{
	if (disable)
		return "not protected: loaded with disable=1";
	if (!redirect_selftest())
		return "not protected: hooks are off (kernel.ftrace_enabled?)";
	return hold ? "protected (mark, hold, full commit after flush)" :
		      "protected (mark, hold=0)";
}

static ssize_t state_show(struct kobject *kobj, struct kobj_attribute *attr,
			  char *buf)
{
	return sprintf(buf, "%s\n", fix_state());
}

static ssize_t stat_show(struct kobject *kobj, struct kobj_attribute *attr,
			 char *buf);

#define STAT_ATTR(_name) __ATTR(_name, 0444, stat_show, NULL)

static struct kobj_attribute stat_attrs[STAT_NR] = {
	[STAT_MARKS_GROUP_EXTEND] = STAT_ATTR(marks_group_extend),
	[STAT_MARKS_GROUP_ADD] = STAT_ATTR(marks_group_add),
	[STAT_KERNEL_MARKS] = STAT_ATTR(kernel_marks),
	[STAT_HOLDS] = STAT_ATTR(holds),
	[STAT_HOLDS_FAILED] = STAT_ATTR(holds_failed),
	[STAT_UNPROTECTED] = STAT_ATTR(unprotected),
	[STAT_HOLD_LONGEST_US] = STAT_ATTR(hold_longest_us),
	[STAT_FULL_COMMITS_HOLD] = STAT_ATTR(full_commits_hold),
	[STAT_FULL_COMMITS_FLUSH] = STAT_ATTR(full_commits_flush),
};

static ssize_t stat_show(struct kobject *kobj, struct kobj_attribute *attr,
			 char *buf)
{
	atomic_long_t *stat = &stats[attr - stat_attrs];

	return sprintf(buf, "%ld\n", atomic_long_read(stat));
}

static struct kobj_attribute state_attr = __ATTR_RO(state);
static struct kobj_attribute missed_attr = __ATTR_RO(missed);

static struct attribute *fix_attrs[] = {
	&state_attr.attr,
	&missed_attr.attr,
	&stat_attrs[STAT_MARKS_GROUP_EXTEND].attr,
	&stat_attrs[STAT_MARKS_GROUP_ADD].attr,
	&stat_attrs[STAT_KERNEL_MARKS].attr,
	&stat_attrs[STAT_HOLDS].attr,
	&stat_attrs[STAT_HOLDS_FAILED].attr,
	&stat_attrs[STAT_UNPROTECTED].attr,
	&stat_attrs[STAT_HOLD_LONGEST_US].attr,
	&stat_attrs[STAT_FULL_COMMITS_HOLD].attr,
	&stat_attrs[STAT_FULL_COMMITS_FLUSH].attr,
	NULL, /* with the comma clang-format leaves one a line */
};

static const struct attribute_group fix_group = {
	.attrs = fix_attrs,
};

static struct kobject *status;

/*
 * Hooks can be switched off behind our back. Nobody is told, and then there is
 * no hook left that could see a resize: so we look now and then, and the log
 * says from when to when resizes went unseen.
 */
#define WATCH_SECONDS 10

static void watch_hooks(struct work_struct *work)
{
	static bool off;
	bool was_off = off;

	off = !redirect_selftest();
	if (off && !was_off)
		pr_warn("hooks are off (kernel.ftrace_enabled? /sys/kernel/debug/kprobes/enabled?): resizes are not protected from now on\n");
	else if (!off && was_off)
		pr_warn("hooks are on again: a resize since they went off was not protected, later ones are\n");
	schedule_delayed_work(to_delayed_work(work),
			      round_jiffies_relative(WATCH_SECONDS * HZ));
}

static DECLARE_DELAYED_WORK(watch, watch_hooks);

/**
 * fix_watch_begin() - look at the hooks from now on
 *
 * Context: any.
 */
void fix_watch_begin(void)
{
	schedule_delayed_work(&watch, 0);
}

/**
 * fix_watch_end() - no longer, before the hooks go
 *
 * Waits for a look that is going on: none is in this module afterwards.
 *
 * Context: may sleep.
 */
void fix_watch_end(void)
{
	cancel_delayed_work_sync(&watch);
}

/**
 * fix_sysfs_create() - make the directory "status" and its files
 *
 * Context: may sleep.
 * Return: 0 or an errno, with nothing left behind.
 */
int fix_sysfs_create(void)
{
	int err;

	status = kobject_create_and_add("status", &THIS_MODULE->mkobj.kobj);
	if (!status)
		return -ENOMEM;
	err = sysfs_create_group(status, &fix_group);
	if (err)
		kobject_put(status);
	return err;
}

/**
 * fix_sysfs_remove() - take the directory away
 *
 * Context: may sleep, waits for readers.
 */
void fix_sysfs_remove(void)
{
	sysfs_remove_group(status, &fix_group);
	kobject_put(status);
}
