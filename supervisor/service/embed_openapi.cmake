# Writes OUTPUT: a source with the text of INPUT (raw string literals hold at most 64 KiB portably; this is far less).
file(READ ${INPUT} text)
file(WRITE ${OUTPUT} "// Made from openapi.json.
#include <string_view>

namespace anchorhold::service {

std::string_view openapi_document();
std::string_view openapi_document() {
    return R\"openapi(${text})openapi\";
}

}  // namespace anchorhold::service
")
