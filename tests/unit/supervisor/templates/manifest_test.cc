// manifest.json, whole and not.
#include "supervisor/templates/manifest.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace anchorhold::supervisor {
namespace {

using nlohmann::json;

TemplateManifest sample() {
    TemplateManifest manifest;
    manifest.name = "py";
    manifest.image = "/images/debian.erofs";
    manifest.image_digest = "sha256:00";
    manifest.shape = {2, uint64_t{512} << 20, 2};
    manifest.disk_bytes = uint64_t{4} << 30;
    manifest.warm = {"/bin/sh -c \"python3 -c 'import ssl'\"", "second"};
    manifest.created = "2026-01-02T03:04:05Z";
    manifest.memory_stored = 12345678;
    manifest.memory_form = MemoryForm::kCompressed;
    manifest.memory_file = 2345678;
    manifest.working_set = 333;
    manifest.authority = "0a1b2c3d";
    return manifest;
}

void expect_refused(const std::string& text, const std::string& what) {
    const auto manifest = read_manifest(text);
    ASSERT_FALSE(manifest) << text;
    EXPECT_NE(manifest.error().message.find(what), std::string::npos) << manifest.error().message;
    EXPECT_EQ(std::count(manifest.error().message.begin(), manifest.error().message.end(), '\n'),
              0);
}

TEST(TemplateManifest, round_trip_keeps_every_field) {
    const auto back = read_manifest(to_json(sample()));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(to_json(*back), to_json(sample()));
    EXPECT_EQ(back->name, "py");
    EXPECT_EQ(back->image, "/images/debian.erofs");
    EXPECT_EQ(back->image_digest, "sha256:00");
    EXPECT_EQ(back->shape, sample().shape);
    EXPECT_EQ(back->disk_bytes, sample().disk_bytes);
    EXPECT_EQ(back->warm, sample().warm);
    EXPECT_EQ(back->created, sample().created);
    EXPECT_EQ(back->memory_stored, 12345678U);
    EXPECT_EQ(back->memory_form, MemoryForm::kCompressed);
    EXPECT_EQ(back->memory_file, 2345678U);
    EXPECT_EQ(back->working_set, 333U);
    EXPECT_EQ(back->authority, "0a1b2c3d");
}

TEST(TemplateManifest, text_cut_at_any_length_is_refused) {
    const std::string text = to_json(sample());
    for (size_t size = 0; size + 2 < text.size(); ++size) {  // the last two are "}\n"
        EXPECT_FALSE(read_manifest(text.substr(0, size))) << size;
    }
}

TEST(TemplateManifest, each_missing_field_is_named) {
    for (const char* field :
         {"version", "name", "created", "image", "image_digest", "authority", "cpus",
          "memory_bytes", "disks", "disk_bytes", "memory_stored", "working_set"}) {
        json document = json::parse(to_json(sample()));
        document.erase(field);
        expect_refused(document.dump(), std::string("'") + field + "'");
    }
}

TEST(TemplateManifest, each_field_of_another_kind_is_named) {
    const json whole = json::parse(to_json(sample()));
    for (const auto& [field, value] : whole.items()) {
        if (field == "warm") {
            continue;  // for people only
        }
        json document = json::parse(to_json(sample()));
        for (const json& other : {json(-1), json(1.5), json(nullptr), json::array(), json::object(),
                                  value.is_string() ? json(7) : json("7")}) {
            document[field] = other;
            expect_refused(document.dump(), "'" + field + "'");
        }
    }
}

TEST(TemplateManifest, form_of_memory_is_one_of_two_and_of_old_manifests_sparse) {
    json document = json::parse(to_json(sample()));
    document["memory_form"] = "zip";
    expect_refused(document.dump(), "'memory_form' is neither 'sparse' nor 'compressed'");
    document.erase("memory_form");
    document.erase("memory_file");
    EXPECT_EQ(read_manifest(document.dump()).value().memory_form, MemoryForm::kSparse);
}

TEST(TemplateManifest, other_version_is_refused_with_what_to_do) {
    json document = json::parse(to_json(sample()));
    document["version"] = 2;
    expect_refused(document.dump(), "version 2, this build reads 1; create the template again");
}

TEST(TemplateManifest, machine_that_cannot_be_is_refused) {
    const auto with = [](const char* field, const json& value) {
        json document = json::parse(to_json(sample()));
        document[field] = value;
        return document.dump();
    };
    expect_refused(with("cpus", 0), "describes no machine");
    expect_refused(with("cpus", 9), "'cpus'");
    expect_refused(with("memory_bytes", 4096), "describes no machine");
    expect_refused(with("memory_bytes", (uint64_t{512} << 20) + 1), "describes no machine");
    expect_refused(with("disks", 0), "describes no machine");
    expect_refused(with("disks", 3), "'disks'");
    expect_refused(with("name", "../up"), "describes no machine");
}

TEST(TemplateManifest, what_is_no_object_is_refused) {
    for (const char* text : {"", "[]", "7", "null", "\"text\"", "{", "\xff\xfe"}) {
        expect_refused(text, "not a JSON object");
    }
}

TEST(TemplateManifest, names_are_letters_digits_and_inner_hyphens) {
    for (const char* good : {"a", "A9", "py-3", "0", "a--b"}) {
        EXPECT_TRUE(is_template_name(good)) << good;
    }
    EXPECT_TRUE(is_template_name(std::string(63, 'x')));
    for (const char* bad :
         {"", "-a", "a-", "a b", "a/b", ".", "..", ".new-x", "a.b", "a_b", "é", "a\n"}) {
        EXPECT_FALSE(is_template_name(bad)) << bad;
    }
    EXPECT_FALSE(is_template_name(std::string(64, 'x')));
    EXPECT_FALSE(is_template_name(std::string_view("a\0b", 3)));
}

}  // namespace
}  // namespace anchorhold::supervisor
