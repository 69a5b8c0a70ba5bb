//! In which form an answer goes out: from `Accept` to an encoding and a shape.

use hyper::HeaderMap;
use hyper::header::ACCEPT;

use crate::schema::status::{Details, Status};

/// How bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `application/json`.
    Json,
    /// `application/yaml`.
    Yaml,
    /// `application/vnd.kubernetes.protobuf`.
    Protobuf,
}

impl Encoding {
    /// The media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
            Self::Protobuf => "application/vnd.kubernetes.protobuf",
        }
    }
}

/// What of an object is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The object or list itself.
    Whole,
    /// `meta.k8s.io/v1 Table` (or v1beta1).
    Table,
    /// `PartialObjectMetadata`.
    Metadata,
    /// `PartialObjectMetadataList`.
    MetadataList,
}

/// An encoding and a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// How bytes are written.
    pub encoding: Encoding,
    /// What is shown.
    pub shape: Shape,
    /// `v1` or `v1beta1` of `meta.k8s.io`, for the shapes that have one.
    pub version: &'static str,
    /// Whether JSON is indented for people.
    pub pretty: bool,
    /// Whether `;stream=watch` was asked for.
    pub stream: bool,
}

impl Form {
    /// Plain JSON.
    pub const JSON: Self =
        Self { encoding: Encoding::Json, shape: Shape::Whole, version: "v1", pretty: false, stream: false };

    /// The form for errors: the same encoding, the whole object.
    #[must_use]
    pub fn whole(self) -> Self {
        Self { shape: Shape::Whole, ..self }
    }
}

struct Offer {
    media: String,
    quality: f32,
    parameters: Vec<(String, String)>,
}

fn offers(headers: &HeaderMap) -> Vec<Offer> {
    let mut list = Vec::new();
    for header in headers.get_all(ACCEPT) {
        for part in header.to_str().unwrap_or_default().split(',') {
            let mut pieces = part.split(';').map(str::trim);
            let media = pieces.next().unwrap_or_default().to_lowercase();
            if media.is_empty() {
                continue;
            }
            let mut offer = Offer { media, quality: 1.0, parameters: Vec::new() };
            for piece in pieces {
                let (key, value) = piece.split_once('=').unwrap_or((piece, ""));
                if key == "q" {
                    offer.quality = value.parse().unwrap_or(1.0);
                } else {
                    offer.parameters.push((key.to_owned(), value.to_owned()));
                }
            }
            list.push(offer);
        }
    }
    // A stable sort keeps the client's order among equals.
    list.sort_by(|a, b| b.quality.total_cmp(&a.quality));
    list
}

fn encoding(media: &str) -> Option<Encoding> {
    match media {
        "application/json" | "*/*" | "application/*" => Some(Encoding::Json),
        "application/yaml" => Some(Encoding::Yaml),
        "application/vnd.kubernetes.protobuf" => Some(Encoding::Protobuf),
        _ => None,
    }
}

/// The form that the client prefers among those that can be given. With `shapes` false only whole
/// objects are offered (discovery, reviews).
///
/// # Errors
/// 406 where none of the client's forms can be given.
pub fn negotiate(headers: &HeaderMap, shapes: bool, watch: bool) -> Result<Form, Status> {
    let offers = offers(headers);
    if offers.is_empty() {
        return Ok(Form::JSON);
    }
    for offer in &offers {
        let Some(encoding) = encoding(&offer.media) else { continue };
        let mut form = Form { encoding, ..Form::JSON };
        let mut fits = true;
        let (mut kind, mut group, mut version) = ("", "", "");
        for (key, value) in &offer.parameters {
            match key.as_str() {
                "as" => kind = value,
                "g" => group = value,
                "v" => version = value,
                "pretty" => form.pretty = value == "1",
                "stream" if watch && value == "watch" => form.stream = true,
                "stream" => fits = false,
                "charset" if value.eq_ignore_ascii_case("utf-8") => {}
                _ => {}
            }
        }
        if !kind.is_empty() {
            form.shape = match kind {
                "Table" => Shape::Table,
                "PartialObjectMetadata" => Shape::Metadata,
                "PartialObjectMetadataList" => Shape::MetadataList,
                _ => continue,
            };
            form.version = match version {
                "v1" => "v1",
                "v1beta1" => "v1beta1",
                _ => continue,
            };
            fits &= shapes && group == "meta.k8s.io";
            // Tables are only made as JSON and YAML, as their cells are of any type.
            fits &= !(form.shape == Shape::Table && encoding == Encoding::Protobuf);
        }
        if fits {
            return Ok(form);
        }
    }
    Err(not_acceptable(watch))
}

fn not_acceptable(watch: bool) -> Status {
    let forms = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
    if watch {
        let streams = "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch";
        let text = format!("406: Not Acceptable\n\nAvailable representations: {forms}, {streams}");
        return Status::new(406, "NotAcceptable", text).with_details(Details::default());
    }
    Status::new(406, "NotAcceptable", format!("only the following media types are accepted: {forms}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(accept: &str) -> Result<Form, Status> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, accept.parse().expect("a header"));
        negotiate(&headers, true, false)
    }

    #[test]
    fn the_first_form_that_can_be_given_wins() {
        let table = form("application/json;as=Table;v=v1;g=meta.k8s.io,application/json").expect("a form");
        assert_eq!((table.shape, table.version), (Shape::Table, "v1"));
        let plain = form("application/json;as=Other;v=v1;g=meta.k8s.io,application/json").expect("a form");
        assert_eq!(plain.shape, Shape::Whole);
        let proto = form("application/vnd.kubernetes.protobuf,application/json").expect("a form");
        assert_eq!(proto.encoding, Encoding::Protobuf);
    }

    #[test]
    fn quality_counts_and_nothing_fitting_is_406() {
        assert_eq!(form("application/json;q=0.5,application/yaml").map(|f| f.encoding), Ok(Encoding::Yaml));
        assert_eq!(form("text/html").expect_err("no form").code, 406);
    }
}
