// Memory for TLS records. Sessions give their buffers back between records
// (SSL_MODE_RELEASE_BUFFERS), so that idle ones are small; busy ones would then take 17 KiB from
// the heap and return them for every record.
#pragma once

namespace anchorhold::proxy {

// Makes OpenSSL take its memory from malloc, except blocks the size of a record, of which a few
// that were freed are kept and handed out again. Call once, before anything else of OpenSSL; one
// thread. Nothing happens when OpenSSL has memory already.
void keep_record_buffers();

}  // namespace anchorhold::proxy
