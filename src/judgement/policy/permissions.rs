//! The permissions of an audience, with an index by client.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};

use super::permission::Permission;
use crate::words::oauth::names::Names;

/// Up to so many permissions are looked through one by one, which is faster than an index and takes no memory.
const FEW: usize = 16;

/// The permissions of an audience, in the order of its file.
#[derive(Clone, Debug, Default)]
pub struct Permissions {
    list: Vec<Permission>,
    /// `None` for few permissions.
    by_client: Option<ClientIndex>,
}

/// Where the permissions of a client are. Each list is in the order of the file.
#[derive(Clone, Debug, Default)]
struct ClientIndex {
    /// client id → the permissions that name the client
    named: HashMap<String, Vec<usize>>,
    /// The permissions of all clients.
    any: Vec<usize>,
}

impl Permissions {
    /// The permissions for a client with their positions, from 1, in the order of the file.
    pub fn of_client(&self, client: &str) -> impl Iterator<Item = (usize, &Permission)> {
        let all = self.by_client.is_none().then(|| self.list.iter().enumerate());
        let one_by_one = all.into_iter().flatten().filter(move |(_, one)| one.clients.contains(client));
        let found = self.by_client.as_ref().into_iter().flat_map(move |index| index.of(client));
        let found = found.filter_map(|index| Some((index, self.list.get(index)?)));
        one_by_one.chain(found).map(|(index, one)| (index + 1, one))
    }
}

impl ClientIndex {
    fn new(permissions: &[Permission]) -> Self {
        let mut new = Self::default();
        for (index, permission) in permissions.iter().enumerate() {
            match &permission.clients {
                Names::Any => new.any.push(index),
                Names::Listed(clients) => {
                    for client in clients.iter() {
                        new.named.entry(client.clone()).or_default().push(index);
                    }
                }
            }
        }
        new
    }

    /// The places of a client's permissions, in ascending order. No permission is in both lists.
    fn of(&self, client: &str) -> impl Iterator<Item = usize> {
        let named = self.named.get(client).map(Vec::as_slice).unwrap_or_default();
        let (mut named, mut any) = (named.iter().copied().peekable(), self.any.iter().copied().peekable());
        std::iter::from_fn(move || match (named.peek(), any.peek()) {
            (Some(one), Some(other)) if one < other => named.next(),
            (_, Some(_)) => any.next(),
            (_, None) => named.next(),
        })
    }
}

impl From<Vec<Permission>> for Permissions {
    fn from(mut list: Vec<Permission>) -> Self {
        list.shrink_to_fit();
        let by_client = (list.len() > FEW).then(|| ClientIndex::new(&list));
        Self { list, by_client }
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        permissions.into_iter().collect::<Vec<_>>().into()
    }
}

impl Deref for Permissions {
    type Target = [Permission];

    fn deref(&self) -> &[Permission] {
        &self.list
    }
}

/// A change makes the index wrong, so there is none from then on.
impl DerefMut for Permissions {
    fn deref_mut(&mut self) -> &mut [Permission] {
        self.by_client = None;
        &mut self.list
    }
}

impl<'p> IntoIterator for &'p Permissions {
    type Item = &'p Permission;
    type IntoIter = std::slice::Iter<'p, Permission>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.iter()
    }
}

#[cfg(test)]
mod tests;
