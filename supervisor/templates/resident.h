// A template's memory where restoring from it is cheapest: in huge pages, in no file system.
#pragma once

#include "base/result.h"
#include "supervisor/templates/template_store.h"

namespace anchorhold::supervisor {

// Replaces `opened.files.memory` by a sealed memfd with the same bytes; its dense parts, the guest
// kernel's text first of all, lie in huge pages where the host grants them (shmem_enabled:
// `anchorhold doctor`), so that a guest maps 512 pages with one fault. Costs its stored bytes and
// the gaps in dense parts, once for all that is restored from it. Drops the file from the page
// cache. What is compressed stays as it is: a pager reads it.
Status make_resident(OpenTemplate& opened);

}  // namespace anchorhold::supervisor
