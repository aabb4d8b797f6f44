//! As whom a job may run, by who defines it and who that user is.

use crate::cli::context::Context;
use crate::cli::error::{CliError, Kind};
use crate::model::Limits;
use crate::process::{fault_of_user_name, number_of_user};

/// The limits with the number of their user looked up, so that a daemon sees when the name has
/// passed to somebody else.
///
/// # Errors
/// No such user, and one that only root may name.
pub fn checked(ctx: &Context, limits: &Limits) -> Result<Limits, CliError> {
    let Some(name) = &limits.user else {
        return Ok(Limits {
            uid: None,
            ..limits.clone()
        });
    };
    Ok(Limits {
        uid: Some(number(ctx, name)?),
        ..limits.clone()
    })
}

/// The number of a user whose jobs the caller may define.
///
/// # Errors
/// No such user, and one that only root may name.
pub fn number(ctx: &Context, name: &str) -> Result<u32, CliError> {
    allowed(ctx, name)?;
    let number = number_of_user(name).map_err(|text| CliError::new(Kind::Failed, text))?;
    number.ok_or_else(|| {
        let text = format!("there is no user {name} on this host");
        CliError::new(Kind::Invalid, text)
    })
}

fn allowed(ctx: &Context, name: &str) -> Result<(), CliError> {
    if let Some(fault) = fault_of_user_name(name) {
        return Err(CliError::new(Kind::Usage, fault));
    }
    if name == ctx.user.name || rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let text = format!(
        "only root can have a job run as {name}, and you are {}",
        ctx.user.name
    );
    Err(CliError::new(Kind::Denied, text)
        .hint("a daemon run by root can; without the user it runs as yourself"))
}
