// Telling whoever started us that we are ready (sd_notify(3)'s protocol, without its library).
#pragma once

#include <string_view>

namespace anchorhold::service {

// Sends `state` ("READY=1") as one datagram to $NOTIFY_SOCKET; nothing happens without it.
void notify_starter(std::string_view state);

}  // namespace anchorhold::service
