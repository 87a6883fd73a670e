// Bodies: what is unknown, of another type or out of bounds is refused by its key.
#include "supervisor/service/request_json.h"

#include <gtest/gtest.h>

namespace anchorhold::service {
namespace {

TEST(RequestJsonTest, create_takes_what_is_documented) {
    const auto request = parse_create(
        R"({"name":"amber","image":"debian","cpus":2,"memory_bytes":1073741824,"disk_bytes":0,
            "policies":["a"],"idle_seconds":60,"labels":{"k":"v"}})");
    ASSERT_TRUE(request) << request.error().message;
    EXPECT_EQ(request->name, "amber");
    EXPECT_EQ(request->spec.image, "debian");
    EXPECT_EQ(request->spec.cpus, 2U);
    EXPECT_EQ(request->spec.disk_bytes, 0U);
    EXPECT_EQ(request->labels.at("k"), "v");
    const auto empty = parse_create("");
    ASSERT_TRUE(empty);
    EXPECT_EQ(empty->spec.disk_bytes, supervisor::kDefaultDiskBytes);
}

TEST(RequestJsonTest, bad_bodies_are_refused_by_name) {
    const struct {
        const char* body;
        const char* part;
    } kCases[] = {
        {"[]", "no JSON object"},
        {"{", "no JSON object"},
        {R"({"nmae":"a"})", "'nmae' is no key"},
        {R"({"name":1})", "'name' is no text"},
        {R"({"cpus":-1})", "'cpus' is no whole number"},
        {R"({"cpus":1.5})", "'cpus' is no whole number"},
        {R"({"cpus":4294967296})", "'cpus' is no whole number"},
        {R"({"policies":"a"})", "'policies' is no list"},
        {R"({"policies":[1]})", "'policies' is no list"},
        {R"({"labels":{"a":1}})", "'labels' is no object"},
        {R"({"template":"t","image":"i"})", "'template' says what the machine is"},
        {R"({"template":"t","memory_backend":"disk"})", "'memory_backend' is neither"},
        {R"({"template":"t","memory_backend":true})", "'memory_backend' is no text"},
        {R"({"memory_backend":"userfaultfd"})",
         "'memory_backend' is for sandboxes that start from"},
    };
    for (const auto& [body, part] : kCases) {
        const auto request = parse_create(body);
        ASSERT_FALSE(request) << body;
        EXPECT_NE(request.error().message.find(part), std::string::npos) << request.error().message;
        EXPECT_EQ(request.error().code, EINVAL);
    }
    EXPECT_FALSE(parse_nothing("{\"a\":1}"));
    EXPECT_TRUE(parse_nothing("{}"));
    EXPECT_FALSE(parse_fork("{\"count\":\"2\"}"));
    EXPECT_EQ(parse_fork("").value(), 1U);
    EXPECT_EQ(parse_pool("{\"parked\":3}").value().parked, 3U);
}

TEST(RequestJsonTest, run_takes_a_command_for_the_log) {
    const auto request = parse_run(R"({"template":"python","command":["a","b"],"user":"root"})");
    ASSERT_TRUE(request) << request.error().message;
    EXPECT_EQ(request->template_name, "python");
    EXPECT_EQ(request->command.argv.size(), 2U);
    EXPECT_FALSE(request->memory_backend);
}

TEST(RequestJsonTest, memory_backend_is_read_with_a_template) {
    const char* const body = R"({"template":"t","memory_backend":"userfaultfd"})";
    EXPECT_EQ(parse_create(body).value().memory_backend, supervisor::MemoryBackend::kUserfaultfd);
    EXPECT_EQ(parse_run(body).value().memory_backend, supervisor::MemoryBackend::kUserfaultfd);
}

}  // namespace
}  // namespace anchorhold::service
