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

atomic_long_t fix_stats[FIX_STAT_NR];

static ssize_t missed_show(struct kobject *kobj, struct kobj_attribute *attr,
			   char *buf)
{
	return sprintf(buf, "%lu\n", redirect_missed(fix_redirects, fix_nr()));
}

/**
 * fix_state() - the state now, not at load
 *
 * "not-protected:calls-lost" stays until the next boot: each call that was lost
 * left a reference on the module, and another tracer undoes what our hooks do.
 *
 * Context: may sleep.
 * Return: one of the words that doc/module.md explains, a constant string.
 */
const char *fix_state(void)
{
	if (fix_disable)
		return "not-protected:disabled";
	if (!redirect_selftest())
		return "not-protected:hooks-off";
	if (redirect_missed(fix_redirects, fix_nr()))
		return "not-protected:calls-lost";
	return fix_hold ? "protected" : "mark-only";
}

static ssize_t state_show(struct kobject *kobj, struct kobj_attribute *attr,
			  char *buf)
{
	return sprintf(buf, "%s\n", fix_state());
}

static struct kobj_attribute state_attr = __ATTR_RO(state);
static struct kobj_attribute missed_attr = __ATTR_RO(missed);

static ssize_t stat_show(struct kobject *kobj, struct kobj_attribute *attr,
			 char *buf);

/* For each counter its file, in the same order */
#define FIX_STAT_ATTR(name) __ATTR(name, 0444, stat_show, NULL),
#define FIX_STAT_ATTRS FIX_STATS(FIX_STAT_ATTR)
static struct kobj_attribute stat_attrs[] = { FIX_STAT_ATTRS };

static ssize_t stat_show(struct kobject *kobj, struct kobj_attribute *attr,
			 char *buf)
{
	atomic_long_t *stat = &fix_stats[attr - stat_attrs];

	return sprintf(buf, "%ld\n", atomic_long_read(stat));
}

/* These two, the counters, NULL */
static struct attribute *fix_attrs[2 + FIX_STAT_NR + 1] = {
	&state_attr.attr,
	&missed_attr.attr,
};

static const struct attribute_group fix_group = {
	.attrs = fix_attrs,
};

static struct kobject *status;

/*
 * Where hooks can be switched off, nobody is told, and then there is no hook left
 * that could see a resize: so we look now and then, and the log says from when to
 * when resizes went unseen.
 */
#define WATCH_SECONDS 10

static void watch_hooks(struct work_struct *work)
{
	static bool off;
	static int lost;
	bool was_off = off;

	off = !redirect_selftest();
	if (off && !was_off) {
		pr_warn("hooks are off (/sys/kernel/debug/kprobes/enabled?): resizes are not protected from now on\n");
	} else if (!off && was_off) {
		hold_forget();
		pr_warn("hooks are on again: a resize since they went off was not protected, later ones are\n");
	}
	/* Twice in a row: not a task that only had to wait long for a CPU */
	lost = redirect_missed(fix_redirects, fix_nr()) ? lost + 1 : 0;
	if (lost == 2)
		pr_warn("calls do not arrive here: another tracer on the same function undoes the hook; resizes are not protected\n");
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
	int i, err;

	for (i = 0; i < FIX_STAT_NR; i++)
		fix_attrs[i + 2] = &stat_attrs[i].attr;
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
