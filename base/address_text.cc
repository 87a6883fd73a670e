// inet_ntop(3) by the size of what it is given.
#include "base/address_text.h"

#include <arpa/inet.h>

namespace anchorhold {

std::string address_text(std::span<const std::byte> bytes) {
    char text[INET6_ADDRSTRLEN] = {};
    if (bytes.size() == 4 || bytes.size() == 16) {
        ::inet_ntop(bytes.size() == 4 ? AF_INET : AF_INET6, bytes.data(), text, sizeof text);
    }
    return text;
}

}  // namespace anchorhold
