/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The resize ioctls, fs/ext4/ext4.h: the kernel has no uapi header for them.
 * The tests' programs use them from here, too.
 */
#ifndef RESIZE_H
#define RESIZE_H

#include <stdint.h>
#include <sys/ioctl.h>

struct group_input {
	uint32_t group;
	uint64_t block_bitmap;
	uint64_t inode_bitmap;
	uint64_t inode_table;
	uint32_t blocks_count;
	uint16_t reserved_blocks;
	uint16_t unused;
};

#define IOC_GROUP_EXTEND _IOW('f', 7, unsigned long)
#define IOC_GROUP_ADD _IOW('f', 8, struct group_input)
#define IOC_RESIZE_FS _IOW('f', 16, uint64_t)

#endif
