//! A request in either of Odoo's APIs.

use super::database::Database;
use super::refusal::RpcError;
use super::rpc::{Circumstances, Execute};
use super::{json2, page, rpc};
use crate::http::{self, Response};

#[derive(Debug)]
pub(super) enum Asked {
    JsonRpc(rpc::Request),
    Json2(json2::Request),
}

impl Asked {
    /// Reads a request to `/jsonrpc`; the answer to one that is none.
    pub(super) fn json_rpc(request: &http::Request) -> Result<Asked, Response> {
        if !request.header("content-type").starts_with("application/json") {
            return Err(page::wrong_content_type());
        }
        rpc::Request::read(&request.body).map(Asked::JsonRpc).ok_or_else(page::broken_json)
    }

    /// The call on a model, when it is one.
    pub(super) fn execute(&self) -> Option<Execute> {
        match self {
            Asked::JsonRpc(request) => request.execute(),
            Asked::Json2(request) => Some(request.execute()),
        }
    }

    /// The whole answer.
    pub(super) fn answer(&self, database: &mut Database, circumstances: Circumstances) -> Response {
        match self {
            Asked::JsonRpc(request) => page::rpc(&request.answer(database, circumstances)),
            Asked::Json2(request) => request.answer(database, circumstances),
        }
    }

    /// An error in place of a result, whatever was asked.
    pub(super) fn refuse(&self, error: &RpcError) -> Response {
        match self {
            Asked::JsonRpc(request) => page::rpc(&request.refuse(error)),
            Asked::Json2(_) => json2::Request::refuse(error),
        }
    }
}
