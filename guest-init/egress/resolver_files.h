// The image's resolver, pointed to the stub.
#pragma once

#include <string>

#include "base/result.h"

namespace anchorhold::guest_init {

// Makes `etc`/resolv.conf name 127.0.0.1 and nothing else, and adds localhost to `etc`/hosts where
// there is no such file. What says so already is not written again. Programs of glibc and musl,
// busybox among them, need no more: glibc without nsswitch.conf reads files, then asks DNS; one
// that leaves DNS out of "hosts" gets it appended.
Status point_resolver_at_stub(const std::string& etc);

}  // namespace anchorhold::guest_init
