// The table against paths, and against openapi.json.
#include "supervisor/service/routes.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cctype>
#include <set>

#include "supervisor/service/api.h"

namespace anchorhold::service {
namespace {

int code_of(std::string_view method, std::string_view target) {
    const auto route = match_route(method, target);
    return route ? 0 : route.error().code;
}

TEST(RoutesTest, every_route_is_in_the_document_and_the_other_way_round) {
    const auto document = nlohmann::json::parse(openapi_document());
    std::set<std::string> documented;
    for (const auto& [path, item] : document.at("paths").items()) {
        for (const auto& [method, operation] : item.items()) {
            if (method == "parameters") {
                continue;
            }
            std::string upper = method;
            std::transform(upper.begin(), upper.end(), upper.begin(),
                           [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
            documented.insert(upper + " " + path);
            EXPECT_TRUE(operation.contains("operationId")) << path;
            EXPECT_TRUE(operation.at("responses").contains("default")) << path;
        }
    }
    std::set<std::string> served;
    for (const Route& route : routes()) {
        served.insert(std::string(route.method) + " " + std::string(route.path));
    }
    EXPECT_EQ(documented, served);
}

TEST(RoutesTest, references_in_the_document_lead_somewhere) {
    const auto document = nlohmann::json::parse(openapi_document());
    const std::function<void(const nlohmann::json&)> look = [&](const nlohmann::json& node) {
        if (node.is_object() && node.contains("$ref")) {
            const std::string reference = node.at("$ref");
            EXPECT_TRUE(document.contains(nlohmann::json::json_pointer(reference.substr(1))))
                << reference;
        }
        for (const auto& child : node) {
            if (child.is_structured()) {
                look(child);
            }
        }
    };
    look(document);
}

TEST(RoutesTest, parameter_is_taken_from_its_segment) {
    const auto route = match_route("POST", "/v1/sandboxes/amber/exec");
    ASSERT_TRUE(route);
    EXPECT_EQ(route->call, Call::exec_sandbox);
    EXPECT_EQ(route->parameter, "amber");
    const auto forced = match_route("DELETE", "/v1/sandboxes/amber?force=true");
    ASSERT_TRUE(forced);
    EXPECT_EQ(forced->parameter, "amber");
    EXPECT_EQ(forced->query, "force=true");
}

TEST(RoutesTest, what_is_none_of_ours_is_told_apart) {
    EXPECT_EQ(code_of("GET", "/v1/sandboxes/amber/exec"), 405);
    EXPECT_EQ(code_of("BREW", "/v1/version"), 405);
    EXPECT_EQ(code_of("GET", "/v1"), 404);
    EXPECT_EQ(code_of("GET", "/v1/version/"), 404);
    EXPECT_EQ(code_of("GET", "/v1/sandboxes/a/b/c"), 404);
    EXPECT_EQ(code_of("GET", "/"), 404);
    EXPECT_EQ(code_of("GET", ""), 400);
    EXPECT_EQ(code_of("GET", "http://a/v1/version"), 400);
    EXPECT_EQ(code_of("GET", "/v1/sandboxes/%2e%2e"), 400);
    std::string allowed;
    EXPECT_FALSE(match_route("PATCH", "/v1/sandboxes/a", &allowed));
    EXPECT_EQ(allowed, "GET, DELETE");
}

}  // namespace
}  // namespace anchorhold::service
