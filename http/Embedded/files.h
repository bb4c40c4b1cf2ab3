// The files that the executable carries, as .ci/embed found them.
static const unsigned char openapi_json[] = {
#embed "../openapi.json"
};
static const unsigned char openapi_yaml[] = {
#embed "../openapi.yaml"
};
static const unsigned char console_api_js[] = {
#embed "../console/api.js"
};
static const unsigned char console_app_js[] = {
#embed "../console/app.js"
};
static const unsigned char console_base_css[] = {
#embed "../console/base.css"
};
static const unsigned char console_icons_svg[] = {
#embed "../console/icons.svg"
};
static const unsigned char console_index_html[] = {
#embed "../console/index.html"
};
static const unsigned char console_items_js[] = {
#embed "../console/items.js"
};
static const unsigned char console_parts_js[] = {
#embed "../console/parts.js"
};
static const unsigned char console_photographs_js[] = {
#embed "../console/photographs.js"
};
static const unsigned char console_screens_css[] = {
#embed "../console/screens.css"
};
static const unsigned char console_stream_js[] = {
#embed "../console/stream.js"
};
static const unsigned char console_views_account_js[] = {
#embed "../console/views/account.js"
};
static const unsigned char console_views_activity_js[] = {
#embed "../console/views/activity.js"
};
static const unsigned char console_views_create_js[] = {
#embed "../console/views/create.js"
};
static const unsigned char console_views_credits_js[] = {
#embed "../console/views/credits.js"
};
static const unsigned char console_views_detail_js[] = {
#embed "../console/views/detail.js"
};
static const unsigned char console_views_list_js[] = {
#embed "../console/views/list.js"
};
static const unsigned char console_views_trash_js[] = {
#embed "../console/views/trash.js"
};
static const unsigned char console_views_webhooks_js[] = {
#embed "../console/views/webhooks.js"
};
static const unsigned char console_words_js[] = {
#embed "../console/words.js"
};
static const unsigned char docs_app_js[] = {
#embed "../docs/app.js"
};
static const unsigned char docs_code_js[] = {
#embed "../docs/code.js"
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
static const unsigned char docs_try_js[] = {
#embed "../docs/try.js"
};
static const unsigned char docs_views_js[] = {
#embed "../docs/views.js"
};
static const unsigned char shared_dom_js[] = {
#embed "../shared/dom.js"
};
static const unsigned char shared_favicon_ico[] = {
#embed "../shared/favicon.ico"
};
static const unsigned char shared_favicon_svg[] = {
#embed "../shared/favicon.svg"
};
static const unsigned char shared_session_js[] = {
#embed "../shared/session.js"
};
static const unsigned char shared_theme_js[] = {
#embed "../shared/theme.js"
};
static const unsigned char shared_tokens_css[] = {
#embed "../shared/tokens.css"
};

static const struct EmbeddedFile files[] = {
    {"openapi.json", openapi_json, sizeof openapi_json},
    {"openapi.yaml", openapi_yaml, sizeof openapi_yaml},
    {"console/api.js", console_api_js, sizeof console_api_js},
    {"console/app.js", console_app_js, sizeof console_app_js},
    {"console/base.css", console_base_css, sizeof console_base_css},
    {"console/icons.svg", console_icons_svg, sizeof console_icons_svg},
    {"console/index.html", console_index_html, sizeof console_index_html},
    {"console/items.js", console_items_js, sizeof console_items_js},
    {"console/parts.js", console_parts_js, sizeof console_parts_js},
    {"console/photographs.js", console_photographs_js, sizeof console_photographs_js},
    {"console/screens.css", console_screens_css, sizeof console_screens_css},
    {"console/stream.js", console_stream_js, sizeof console_stream_js},
    {"console/views/account.js", console_views_account_js, sizeof console_views_account_js},
    {"console/views/activity.js", console_views_activity_js, sizeof console_views_activity_js},
    {"console/views/create.js", console_views_create_js, sizeof console_views_create_js},
    {"console/views/credits.js", console_views_credits_js, sizeof console_views_credits_js},
    {"console/views/detail.js", console_views_detail_js, sizeof console_views_detail_js},
    {"console/views/list.js", console_views_list_js, sizeof console_views_list_js},
    {"console/views/trash.js", console_views_trash_js, sizeof console_views_trash_js},
    {"console/views/webhooks.js", console_views_webhooks_js, sizeof console_views_webhooks_js},
    {"console/words.js", console_words_js, sizeof console_words_js},
    {"docs/app.js", docs_app_js, sizeof docs_app_js},
    {"docs/code.js", docs_code_js, sizeof docs_code_js},
    {"docs/index.html", docs_index_html, sizeof docs_index_html},
    {"docs/key.js", docs_key_js, sizeof docs_key_js},
    {"docs/markdown.js", docs_markdown_js, sizeof docs_markdown_js},
    {"docs/members.js", docs_members_js, sizeof docs_members_js},
    {"docs/model.js", docs_model_js, sizeof docs_model_js},
    {"docs/page.css", docs_page_css, sizeof docs_page_css},
    {"docs/parts.css", docs_parts_css, sizeof docs_parts_css},
    {"docs/request.js", docs_request_js, sizeof docs_request_js},
    {"docs/schema.js", docs_schema_js, sizeof docs_schema_js},
    {"docs/search.js", docs_search_js, sizeof docs_search_js},
    {"docs/try.js", docs_try_js, sizeof docs_try_js},
    {"docs/views.js", docs_views_js, sizeof docs_views_js},
    {"shared/dom.js", shared_dom_js, sizeof shared_dom_js},
    {"shared/favicon.ico", shared_favicon_ico, sizeof shared_favicon_ico},
    {"shared/favicon.svg", shared_favicon_svg, sizeof shared_favicon_svg},
    {"shared/session.js", shared_session_js, sizeof shared_session_js},
    {"shared/theme.js", shared_theme_js, sizeof shared_theme_js},
    {"shared/tokens.css", shared_tokens_css, sizeof shared_tokens_css},
};
