#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Secure Boot: the firmware verifies Debian's signed kernel, which takes only
# modules whose key is in the firmware's db. There are the certificate out of that
# kernel, and one of this test, with which the module is signed. The rest is
# in tests/guest/secureboot.sh. Without shim: there are no MOKs.
#
#   tests/secureboot.t [KERNEL]

set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=firmware.sh
. "$top/tests/firmware.sh"

id=$(kernel_id "${1:-newest}")
name=ext4_fc_resize_fix
need sbsigntool openssl
read -r module fcr < <("$top/scripts/test" --prepare "$id")
kernel=$("$top/scripts/kernel" dir "$id")

sbattach --detach "$work/signature" "$kernel/vmlinuz" >&2
openssl pkcs7 -inform DER -in "$work/signature" -print_certs -out "$work/debian.pem"
# Two keys; that of a stranger stays unknown
for key in test stranger; do
	openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/CN=$key" \
		-keyout "$work/$key.key" -out "$work/$key.pem" 2>/dev/null
	mkdir "$work/$key"
	"$kernel/build/scripts/sign-file" sha256 "$work/$key.key" "$work/$key.pem" "$module" "$work/$key/$name.ko"
done
firmware "$microsoft" "$work/vars" --add-db "$owner" "$work/debian.pem" --add-db "$owner" "$work/test.pem"

vm --name "secureboot@$id" --secure-boot "$work/vars" --disk 64M --timeout 300 \
	--module "$work/test/$name.ko" --add "$module:/test/unsigned.ko" --add "$work/stranger/$name.ko:/test/stranger.ko" \
	--add "$fcr" --add "$top/scripts/module" "$id" "$top/tests/guest/secureboot.sh"
finish
