// HTTP requests as calls, and their results as replies.
#pragma once

#include <functional>
#include <string>

#include "supervisor/service/http_codec.h"
#include "supervisor/service/metrics.h"
#include "supervisor/service/pools.h"
#include "supervisor/service/reply.h"
#include "supervisor/service/routes.h"
#include "supervisor/service/runs.h"
#include "supervisor/service/sandboxes.h"

namespace anchorhold::service {

// Belongs to the event loop's thread of what it calls.
class Api {
  public:
    struct Parts {
        Sandboxes& sandboxes;
        Runs& runs;
        Pools& pools;
        Metrics& metrics;
        std::string version;
    };
    explicit Api(Parts parts) : parts_(std::move(parts)) {}

    // Answers once, at once or later. The API outlives whatever `respond` belongs to.
    void handle(const HttpRequest& request, Respond respond);

  private:
    void dispatch(const MatchedRoute& route, const HttpRequest& request, const Respond& respond);
    void call_sandbox(const MatchedRoute& route, const HttpRequest& request,
                      const Respond& respond);
    void run(const HttpRequest& request, const Respond& respond);
    void exec(const std::string& name, const HttpRequest& request, const Respond& respond);
    void put_pool(const std::string& name, const HttpRequest& request, const Respond& respond);
    void list_sandboxes(const Respond& respond) const;
    [[nodiscard]] std::string metrics_text() const;

    Parts parts_;
};

// The API's description, as it is in openapi.json.
[[nodiscard]] std::string_view openapi_document();

}  // namespace anchorhold::service
