// Swift has no way to put a large file into a program that compiles in a reasonable time; C has one, and the compiler notes the files among those
// that this one is made of, so that an edit of any of them builds it anew. A test compares the list with the folder.
#include "embedded.h"

// Standard in C23, and known to Clang in every dialect.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char openapi_json[] = {
#embed "../openapi.json"
};
static const unsigned char openapi_yaml[] = {
#embed "../openapi.yaml"
};
static const unsigned char docs_app_js[] = {
#embed "../docs/app.js"
};
static const unsigned char docs_code_js[] = {
#embed "../docs/code.js"
};
static const unsigned char docs_dom_js[] = {
#embed "../docs/dom.js"
};
static const unsigned char docs_favicon_ico[] = {
#embed "../docs/favicon.ico"
};
static const unsigned char docs_favicon_svg[] = {
#embed "../docs/favicon.svg"
};
static const unsigned char docs_index_html[] = {
#embed "../docs/index.html"
};
static const unsigned char docs_key_js[] = {
#embed "../docs/key.js"
};
static const unsigned char docs_markdown_js[] = {
#embed "../docs/markdown.js"
};
static const unsigned char docs_members_js[] = {
#embed "../docs/members.js"
};
static const unsigned char docs_model_js[] = {
#embed "../docs/model.js"
};
static const unsigned char docs_page_css[] = {
#embed "../docs/page.css"
};
static const unsigned char docs_parts_css[] = {
#embed "../docs/parts.css"
};
static const unsigned char docs_request_js[] = {
#embed "../docs/request.js"
};
static const unsigned char docs_schema_js[] = {
#embed "../docs/schema.js"
};
static const unsigned char docs_search_js[] = {
#embed "../docs/search.js"
};
static const unsigned char docs_theme_js[] = {
#embed "../docs/theme.js"
};
static const unsigned char docs_tokens_css[] = {
#embed "../docs/tokens.css"
};
static const unsigned char docs_try_js[] = {
#embed "../docs/try.js"
};
static const unsigned char docs_views_js[] = {
#embed "../docs/views.js"
};

#define FILE(path, name) {path, name, sizeof name}

static const struct EmbeddedFile files[] = {
    FILE("openapi.json", openapi_json),
    FILE("openapi.yaml", openapi_yaml),
    FILE("docs/app.js", docs_app_js),
    FILE("docs/code.js", docs_code_js),
    FILE("docs/dom.js", docs_dom_js),
    FILE("docs/favicon.ico", docs_favicon_ico),
    FILE("docs/favicon.svg", docs_favicon_svg),
    FILE("docs/index.html", docs_index_html),
    FILE("docs/key.js", docs_key_js),
    FILE("docs/markdown.js", docs_markdown_js),
    FILE("docs/members.js", docs_members_js),
    FILE("docs/model.js", docs_model_js),
    FILE("docs/page.css", docs_page_css),
    FILE("docs/parts.css", docs_parts_css),
    FILE("docs/request.js", docs_request_js),
    FILE("docs/schema.js", docs_schema_js),
    FILE("docs/search.js", docs_search_js),
    FILE("docs/theme.js", docs_theme_js),
    FILE("docs/tokens.css", docs_tokens_css),
    FILE("docs/try.js", docs_try_js),
    FILE("docs/views.js", docs_views_js),
};

size_t embedded_file_count(void) { return sizeof files / sizeof files[0]; }

struct EmbeddedFile embedded_file(size_t index) { return files[index]; }
