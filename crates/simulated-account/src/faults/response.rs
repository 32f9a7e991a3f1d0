//! Responses that do not come from the API.

use axum::http::StatusCode;

use crate::response::{ApiResponse, Content};

impl ApiResponse {
    /// The error page of a gateway.
    pub(super) fn html(status: u16) -> Self {
        let title = title(status);
        let page = format!(
            "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n\
             <center><h1>{title}</h1></center>\r\n<hr><center>nginx</center>\r\n\
             </body>\r\n</html>\r\n"
        );
        Self { status, content: Content::Html(page), headers: Vec::new() }
    }

    /// Any text: a page if it starts with `<`, otherwise sent as JSON.
    pub(super) fn raw(status: u16, text: &str) -> Self {
        let text = text.to_owned();
        let content = if text.starts_with('<') { Content::Html(text) } else { Content::Raw(text) };
        Self { status, content, headers: Vec::new() }
    }
}

fn title(status: u16) -> String {
    let reason = StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason());
    format!("{status} {}", reason.unwrap_or("Error"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateways_page_is_not_json() {
        let Content::Html(page) = ApiResponse::html(502).content else { panic!("not a page") };

        assert!(page.contains("502 Bad Gateway") && page.starts_with("<html>"), "{page}");
    }
}
