//! Rows in a Teamspace's database that no client can make: what an operator, or an accident, would.

use super::teamspace::Teamspace;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

impl Teamspace {
    /// Plants a row that failed for good into every Private Teamspace, beside the running server.
    pub fn plant_failure(&self, class: &str, event_id: &str) {
        self.beside(&format!(
            "INSERT INTO failures (team_id, event_id, failure_class, category, message, failed_at) \
             SELECT team_id, '{event_id}', '{class}', 'planted', 'planted', 1 FROM teams"
        ));
    }

    /// Gives historical rows other words, as only somebody who takes the guard away can.
    pub fn rewrite_failures(&self, message: &str) {
        self.beside(&format!(
            "DROP TRIGGER history_is_not_changed; UPDATE failures SET message = '{message}'"
        ));
    }

    fn beside(&self, statements: &str) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let options = SqliteConnectOptions::new().filename(self.database());
            let mut connection = options.connect().await.unwrap();
            let statements = sqlx::AssertSqlSafe(statements.to_owned());
            sqlx::raw_sql(statements)
                .execute(&mut connection)
                .await
                .unwrap();
            connection.close().await.unwrap();
        });
    }
}
