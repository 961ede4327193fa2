#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# dracut without systemd sources this before it checks and mounts the root filesystem

case ${root-} in
block:*) /usr/lib/ext4-fc-recover/at-boot "${root#block:}" ;;
esac
